// SPDX-License-Identifier: MIT
#include "docs/documents.hpp"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <gtest/gtest.h>
#include <optional>

namespace workerid::tests {

namespace {

constexpr std::string_view fence = "```";

bool starts_with(const std::string& line, std::string_view start) {
  return line.compare(0, start.size(), start) == 0;
}

// The text of a line that is nothing but an HTML comment.
std::string marker_of(const std::string& line) {
  constexpr std::string_view open = "<!-- ";
  constexpr std::string_view close = " -->";
  const bool comment = starts_with(line, open) && line.size() >= open.size() + close.size() &&
                       line.compare(line.size() - close.size(), close.size(), close) == 0;
  return comment ? line.substr(open.size(), line.size() - open.size() - close.size()) : "";
}

std::optional<Heading> heading_of(const std::string& line) {
  const std::size_t level = line.find_first_not_of('#');
  if (level == 0 || level == std::string::npos || line[level] != ' ') return std::nullopt;
  return Heading{static_cast<int>(level), line.substr(level + 1)};
}

// The targets of [text](target).
void add_links(Document& document, const std::string& line, const std::string& where) {
  for (std::size_t at = line.find("]("); at != std::string::npos; at = line.find("](", at + 1)) {
    const std::size_t end = line.find(')', at);
    if (end != std::string::npos) {
      document.links.push_back({where, line.substr(at + 2, end - at - 2)});
    }
  }
}

}  // namespace

std::filesystem::path source_root() {
  return WORKERID_SOURCE_ROOT;
}

std::vector<std::string> read_lines(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

Document read_document(const std::filesystem::path& relative_path) {
  Document document;
  document.path = relative_path;
  const std::vector<std::string> lines = read_lines(source_root() / relative_path);
  EXPECT_FALSE(lines.empty()) << relative_path << " is missing or empty";
  bool inside = false;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string& line = lines[i];
    const std::string where = relative_path.string() + ":" + std::to_string(i + 1);
    if (starts_with(line, fence)) {
      inside = !inside;
      if (inside) {
        document.blocks.push_back(
            {where, line.substr(fence.size()), i == 0 ? "" : marker_of(lines[i - 1]), {}});
      }
    } else if (inside) {
      document.blocks.back().lines.push_back(line);
    } else {
      document.lines.push_back(line);
      if (const auto heading = heading_of(line)) document.headings.push_back(*heading);
      add_links(document, line, where);
    }
  }
  EXPECT_FALSE(inside) << relative_path << ": the last block does not end";
  return document;
}

std::vector<Document> all_documents() {
  std::vector<std::filesystem::path> paths;
  for (const char* folder : {".", "docs"}) {
    for (const auto& entry : std::filesystem::directory_iterator(source_root() / folder)) {
      if (entry.path().extension() == ".md") {
        paths.push_back(std::filesystem::relative(entry.path(), source_root()));
      }
    }
  }
  std::sort(paths.begin(), paths.end());
  std::vector<Document> documents;
  documents.reserve(paths.size());
  for (const auto& path : paths) documents.push_back(read_document(path));
  return documents;
}

std::string anchor(const std::string& heading) {
  std::string result;
  for (const char character : heading) {
    const auto byte = static_cast<unsigned char>(character);
    if (byte >= 0x80 || std::isalnum(byte) != 0 || character == '-' || character == '_') {
      result += static_cast<char>(byte < 0x80 ? std::tolower(byte) : byte);
    } else if (character == ' ') {
      result += '-';
    }
  }
  return result;
}

}  // namespace workerid::tests
