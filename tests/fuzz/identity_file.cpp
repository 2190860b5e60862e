// SPDX-License-Identifier: MIT
//
// A file in the place of an identity file: what is not one is left as it is. Of one the name is kept,
// and no token is believed that this process has not written: nothing that comes from elsewhere can
// take a lease over.
#include "fuzz/require.hpp"
#include "identity.hpp"
#include "support/temporary_directory.hpp"

#include <workerid/error.hpp>
#include <workerid/token.hpp>

#include <fstream>
#include <iterator>

using namespace workerid;

namespace {

void write(const std::filesystem::path& path, const std::string& content) {
  std::ofstream{path, std::ios::binary | std::ios::trunc} << content;
}

std::string read(const std::filesystem::path& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const tests::TemporaryDirectory directory;
  static const std::filesystem::path path = directory.path() / "identity";
  const std::string content = fuzz::text_of(data, size);
  write(path, content);
  std::string name;
  const Token token = Token::random();
  try {
    detail::Identity identity{path};
    fuzz::require(identity.lock(), "a file that nobody else has can be locked");
    name = identity.name();
    Token::parse(name);  // throws if it is not as written
    fuzz::require(identity.add(token).empty(), "a token of another place is not believed");
  } catch (const Error& error) {
    fuzz::require(error.error_code() == ErrorCode::corrupt_record, "the code is corrupt_record");
    fuzz::require(read(path) == content, "a file that is refused is left as it is");
    return 0;
  }
  fuzz::require(detail::IdentityText::parse(read(path)).tokens == std::vector{token},
                "the token stands in the file");
  detail::Identity next{path};
  fuzz::require(next.lock(), "the lock was let go");
  fuzz::require(next.name() == name, "the name stays");
  fuzz::require(next.add(Token::random()) == std::vector{token}, "the former token is named");
  return 0;
}
