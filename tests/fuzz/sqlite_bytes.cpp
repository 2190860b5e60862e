// SPDX-License-Identifier: MIT
//
// A lease file with wrong bytes in it: of a store on it come answers that satisfy the contract, or
// errors.
#include "fuzz/contract.hpp"
#include "fuzz/lease_file.hpp"

#include <fuzzer/FuzzedDataProvider.h>

using namespace workerid;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::LeaseFile file;
  static const std::string whole = file.bytes();
  FuzzedDataProvider input(data, size);
  std::string bytes = whole;
  while (input.remaining_bytes() > 0 && !bytes.empty()) {
    const std::size_t at = input.ConsumeIntegralInRange<std::size_t>(0, bytes.size() - 1);
    if (input.ConsumeIntegral<std::uint8_t>() == 0) {
      bytes.resize(at);
    } else {
      const std::string piece = input.ConsumeRandomLengthString(9);
      bytes.replace(at, std::min(piece.size(), bytes.size() - at), piece);
    }
  }
  file.write(bytes);
  fuzz::perform([&] {
    const auto store = open_sqlite_store(file.path());
    fuzz::perform_all(*store, fuzz::cluster, file.token('A'), 1, fuzz::small_cluster);
  });
  return 0;
}
