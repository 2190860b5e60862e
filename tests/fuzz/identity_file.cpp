// SPDX-License-Identifier: MIT
//
// A file in the place of an identity file: what is not one is left as it is, and of one the name is
// kept, or made anew where it is a copy.
#include "fuzz/require.hpp"
#include "identity.hpp"
#include "support/temporary_directory.hpp"

#include <workerid/error.hpp>
#include <workerid/token.hpp>

#include <fstream>
#include <iterator>
#include <sys/stat.h>

using namespace workerid;

namespace {

constexpr std::string_view heading = "workerid identity 1\n";

void write(const std::filesystem::path& path, const std::string& content) {
  std::ofstream{path, std::ios::binary | std::ios::trunc} << content;
}

std::string read(const std::filesystem::path& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

// An @ at the end stands for the line that the file would have.
std::string with_inode(std::string content, const std::filesystem::path& path) {
  if (content.empty() || content.back() != '@') return content;
  content.pop_back();
  struct stat status {};
  fuzz::require(::stat(path.c_str(), &status) == 0, "the file is there");
  return content + "inode " + std::to_string(status.st_ino) + "\n";
}

std::string locked_name(const std::filesystem::path& path) {
  detail::Identity identity{path};
  fuzz::require(identity.lock(), "a file that nobody else has can be locked");
  return identity.name();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const tests::TemporaryDirectory directory;
  static const std::filesystem::path path = directory.path() / "identity";
  write(path, "");
  const std::string content = with_inode(fuzz::text_of(data, size), path);
  write(path, content);
  try {
    const std::string name = locked_name(path);
    fuzz::require(content.empty() || content.compare(0, heading.size(), heading) == 0,
                  "what is accepted begins with the heading");
    fuzz::require(name.size() == Token::text_length, "a name has 22 characters");
    fuzz::require(name.find_first_of(std::string_view{"\0\n", 2}) == std::string::npos,
                  "a name is one line");
    Token::parse(name);  // throws if it is not as written
    fuzz::require(locked_name(path) == name, "the name stays");
    write(path, std::string{heading} + name + "\n");
    fuzz::require(locked_name(path) != name, "a file without its inode is a copy");
  } catch (const Error& error) {
    fuzz::require(error.error_code() == ErrorCode::corrupt_record, "the code is corrupt_record");
    fuzz::require(read(path) == content, "a file that is refused is left as it is");
  }
  return 0;
}
