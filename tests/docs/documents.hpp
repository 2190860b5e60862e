// SPDX-License-Identifier: MIT
//
// The project's documents, as far as the tests look at them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace workerid::tests {

/// A fenced block: its language, its lines, and the text of the HTML comment on the line above it.
struct Block {
  std::string where;  ///< For messages: "README.md:57".
  std::string language;
  std::string marker;
  std::vector<std::string> lines;
};

struct Heading {
  int level = 0;
  std::string text;
};

struct Link {
  std::string where;
  std::string target;
};

/// One Markdown file.
struct Document {
  std::filesystem::path path;
  std::vector<std::string> lines;  ///< Outside of blocks.
  std::vector<Heading> headings;
  std::vector<Link> links;
  std::vector<Block> blocks;
};

/// The root of the source tree.
std::filesystem::path source_root();

/// Reads one file of the source tree; fails the test if it is missing or a block does not end.
Document read_document(const std::filesystem::path& relative_path);

/// All documents for people: those in the root and those in docs/.
std::vector<Document> all_documents();

/// The lines of a file.
std::vector<std::string> read_lines(const std::filesystem::path& path);

/// The anchor that a heading has on the usual forges: "Two commands" is "two-commands".
std::string anchor(const std::string& heading);

}  // namespace workerid::tests
