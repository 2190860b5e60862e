// SPDX-License-Identifier: MIT
//
// What the documents say about the project's files is so.
#include "docs/documents.hpp"
#include "support/process.hpp"

#include <workerid/error.hpp>

#include <algorithm>
#include <gtest/gtest.h>
#include <iterator>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace workerid::tests {

namespace {

using Lines = std::vector<std::string>;

// The files below `folder` that end in one of `extensions`.
std::vector<std::filesystem::path> files(const std::string& folder,
                                         const std::set<std::string>& extensions) {
  std::vector<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(source_root() / folder)) {
    if (extensions.contains(entry.path().extension().string())) found.push_back(entry.path());
  }
  return found;
}

// Whether `block` stands in `file`, line by line; all its lines may be indented alike there.
bool is_excerpt(const Lines& block, const Lines& file) {
  const auto matches_at = [&](Lines::const_iterator start) {
    const std::size_t indent = start->size() - std::min(start->size(), block.front().size());
    return std::equal(block.begin(), block.end(), start,
                      [indent](const std::string& shown, const std::string& real) {
                        return shown.empty() ? real.empty()
                                             : real == std::string(indent, ' ') + shown;
                      });
  };
  if (block.empty() || block.size() > file.size()) return false;
  const auto last = file.end() - static_cast<std::ptrdiff_t>(block.size());
  for (auto start = file.begin(); start <= last; ++start) {
    if (matches_at(start)) return true;
  }
  return false;
}

bool is_excerpt_of_one(const Lines& block, const std::vector<std::filesystem::path>& candidates) {
  return std::any_of(candidates.begin(), candidates.end(),
                     [&](const auto& path) { return is_excerpt(block, read_lines(path)); });
}

std::string text_of(const std::vector<std::filesystem::path>& paths) {
  std::string text;
  for (const auto& path : paths) text += read_file(path);
  return text;
}

// The texts between single backticks.
std::vector<std::string> code_spans(const std::string& line) {
  std::vector<std::string> spans;
  std::size_t open = line.find('`');
  while (open != std::string::npos) {
    const std::size_t close = line.find('`', open + 1);
    if (close == std::string::npos) break;
    spans.push_back(line.substr(open + 1, close - open - 1));
    open = line.find('`', close + 1);
  }
  return spans;
}

// Where the shown code of each language really stands.
std::vector<std::filesystem::path> sources_of(const std::string& language) {
  if (language == "cpp") return files("examples", {".cpp", ".hpp"});
  if (language == "sql") return files("src/stores/sqlite", {".sql"});
  return {};
}

}  // namespace

TEST(Documents, ShownCodeIsTheCodeOfTheExamples) {
  int blocks = 0;
  for (const Document& document : all_documents()) {
    for (const Block& block : document.blocks) {
      // Executed by console_test, run by install_lines.sh, and pictures.
      const std::set<std::string> elsewhere{"console", "cmake", "text"};
      if (elsewhere.contains(block.language)) continue;
      ++blocks;
      EXPECT_TRUE(is_excerpt_of_one(block.lines, sources_of(block.language)))
          << block.where << ": this " << block.language << " block stands in no source";
    }
  }
  EXPECT_GT(blocks, 2);
}

TEST(Documents, AnExcerptIsFoundAndAChangeIsSeen) {
  const Lines file{"int main() {", "  int a = 1;", "", "  return a;", "}"};
  EXPECT_TRUE(is_excerpt({"int a = 1;", "", "return a;"}, file));
  EXPECT_TRUE(is_excerpt(file, file));
  EXPECT_FALSE(is_excerpt({"int a = 2;"}, file));
  EXPECT_FALSE(is_excerpt({"int a = 1;", "return a;"}, file));
  EXPECT_FALSE(is_excerpt({"}", "}"}, file));
}

TEST(Documents, LinksLeadSomewhere) {
  int links = 0;
  for (const Document& document : all_documents()) {
    for (const Link& link : document.links) {
      if (link.target.compare(0, 4, "http") == 0) continue;
      ++links;
      const std::size_t hash = link.target.find('#');
      const std::string file = link.target.substr(0, hash);
      const auto path =
          file.empty()
              ? document.path
              : std::filesystem::path(document.path.parent_path() / file).lexically_normal();
      ASSERT_TRUE(std::filesystem::exists(source_root() / path)) << link.where << ": " << path;
      if (hash == std::string::npos) continue;
      const Document target = read_document(path);
      EXPECT_TRUE(std::any_of(target.headings.begin(), target.headings.end(),
                              [&](const Heading& heading) {
                                return anchor(heading.text) == link.target.substr(hash + 1);
                              }))
          << link.where << ": " << path << " has no heading for " << link.target;
    }
  }
  EXPECT_GT(links, 10);
}

TEST(Documents, TheChineseReadmeSaysTheSame) {
  const Document english = read_document("README.md");
  const Document chinese = read_document("README.zh-CN.md");
  ASSERT_EQ(english.headings.size(), chinese.headings.size());
  for (std::size_t i = 0; i < english.headings.size(); ++i) {
    EXPECT_EQ(english.headings[i].level, chinese.headings[i].level) << english.headings[i].text;
  }
  ASSERT_EQ(english.blocks.size(), chinese.blocks.size());
  for (std::size_t i = 0; i < english.blocks.size(); ++i) {
    EXPECT_EQ(english.blocks[i].language, chinese.blocks[i].language) << chinese.blocks[i].where;
    EXPECT_EQ(english.blocks[i].marker, chinese.blocks[i].marker) << chinese.blocks[i].where;
    EXPECT_EQ(english.blocks[i].lines, chinese.blocks[i].lines) << chinese.blocks[i].where;
  }
  ASSERT_EQ(english.links.size(), chinese.links.size());
  for (std::size_t i = 0; i < english.links.size(); ++i) {
    EXPECT_EQ(english.links[i].target, chinese.links[i].target) << chinese.links[i].where;
  }
}

TEST(Documents, TheTestsThatTheyNameExist) {
  const std::string sources =
      text_of(files("tests", {".cpp"})) + text_of(files("src/testing", {".cpp"}));
  for (const char* path :
       {"docs/guarantees.md", "docs/snowflake.md", "docs/stores.md", "docs/tool.md"}) {
    int named = 0;
    for (const std::string& line : read_document(path).lines) {
      if (line.compare(0, 9, "Shown by:") != 0) continue;
      for (const std::string& name : code_spans(line)) {
        ++named;
        const bool defined = sources.find(", " + name + ")") != std::string::npos ||
                             sources.find("{\"" + name + "\"") != std::string::npos;
        EXPECT_TRUE(defined) << path << ": no test is called " << name;
      }
    }
    EXPECT_GE(named, 10) << path;
  }
}

TEST(Documents, EveryErrorCodeIsExplained) {
  const std::string document = read_file(source_root() / "docs/tool.md");
  for (int code = 1; code <= static_cast<int>(ErrorCode::unsupported_server); ++code) {
    const auto name = std::string(workerid::name(static_cast<ErrorCode>(code)));
    EXPECT_NE(document.find("`" + name + "`"), std::string::npos) << name;
  }
}

// There they begin with all signals blocked (docs/design.md). The test kit is its user's.
TEST(Documents, TheLibraryStartsThreadsInOnePlace) {
  for (const auto& path : files("src", {".cpp", ".hpp"})) {
    const std::string name = path.lexically_relative(source_root()).string();
    if (path.stem() == "owned_thread" || name.rfind("src/testing/", 0) == 0) continue;
    const std::string text = read_file(path);
    for (const char* const word : {"std::thread", "std::jthread", "std::async", "pthread_create"}) {
      EXPECT_EQ(text.find(word), std::string::npos) << name << ": " << word;
    }
  }
}

TEST(Documents, ACustomStoreTakesFewerThanAHundredLines) {
  const Lines lines = read_lines(source_root() / "examples/custom_store.cpp");
  const auto code = std::count_if(lines.begin(), lines.end(), [](const std::string& line) {
    const std::size_t start = line.find_first_not_of(' ');
    return start != std::string::npos && line.compare(start, 2, "//") != 0;
  });
  EXPECT_GT(code, 20);
  EXPECT_LT(code, 100);
}

}  // namespace workerid::tests
