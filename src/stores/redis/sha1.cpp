// SPDX-License-Identifier: MIT
#include "stores/redis/sha1.hpp"

// Its present interface, EVP, would first load OpenSSL's configuration, in each process that starts.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <array>
#include <new>
#include <openssl/sha.h>

namespace workerid::detail::redis {

std::string sha1_hex(std::string_view text) {
  SHA_CTX context;
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest{};
  if (SHA1_Init(&context) != 1 || SHA1_Update(&context, text.data(), text.size()) != 1 ||
      SHA1_Final(digest.data(), &context) != 1) {
    throw std::bad_alloc();
  }
  constexpr std::string_view digits = "0123456789abcdef";
  std::string hex;
  for (const unsigned byte : digest) {
    hex += digits[byte / 16];
    hex += digits[byte % 16];
  }
  return hex;
}

}  // namespace workerid::detail::redis
