// SPDX-License-Identifier: MIT
//
// The tool's --store: a URL of no known kind is refused, and never becomes a file.
#include "store_url.hpp"

#include "fuzz/require.hpp"
#include "values.hpp"

#include <workerid/error.hpp>

#include <algorithm>

using namespace workerid;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text = fuzz::text_of(data, size);
  const std::size_t mark = text.find_first_of(":/");
  const std::string scheme = mark == std::string::npos ? "" : text.substr(0, mark);
  // Paths are files that would be made; of TLS URLs the files are read. redis_url reads them all.
  if ((mark != std::string::npos && text[mark] == '/') || scheme == "sqlite" ||
      scheme.rfind("rediss", 0) == 0) {
    return 0;
  }
  const bool fit = !text.empty() && text.front() != ' ' && text.back() != ' ' &&
                   std::none_of(text.begin(), text.end(), [](unsigned char character) {
                     return character < 0x20 || character == 0x7f;
                   });
  const bool known = fit && (scheme == "redis" || scheme == "redis+sentinel" ||
                             scheme == "redis+cluster" || scheme == "unix");
  try {
    const auto store = cli::open_store(text);
    fuzz::require(known, "only a known kind of store is opened");
    fuzz::require(store->description().rfind(scheme + "://", 0) == 0, "it is of the kind named");
  } catch (const cli::UsageError& error) {
    fuzz::require(!known, "a known kind is left to its store");
    fuzz::require(std::string_view{error.what()}.rfind("--store: ", 0) == 0,
                  "the message names the option");
  } catch (const Error& error) {
    fuzz::require(error.error_code() == ErrorCode::invalid_argument,
                  "the code is invalid_argument");
  }
  return 0;
}
