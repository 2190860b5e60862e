// SPDX-License-Identifier: MIT
//
// A lease file whose tables hold any values: of a store on it come answers that satisfy the
// contract, or errors.
#include "fuzz/contract.hpp"
#include "fuzz/lease_file.hpp"

#include <array>
#include <fuzzer/FuzzedDataProvider.h>
#include <memory>
#include <sqlite3.h>

using namespace workerid;

namespace {

constexpr std::array statements{
    "UPDATE records SET worker_id = ?1 WHERE worker_id = ?2",
    "UPDATE records SET token = ?1 WHERE worker_id = ?2",
    "UPDATE records SET epoch = ?1 WHERE worker_id = ?2",
    "UPDATE records SET instance = ?1 WHERE worker_id = ?2",
    "UPDATE records SET owner = ?1 WHERE worker_id = ?2",
    "UPDATE records SET lease_end_ms = ?1 WHERE worker_id = ?2",
    "UPDATE records SET free_at_ms = ?1 WHERE worker_id = ?2",
    "UPDATE records SET first_reserved_ms = ?1 WHERE worker_id = ?2",
    "UPDATE records SET last_reserved_ms = ?1 WHERE worker_id = ?2",
    "UPDATE records SET released = ?1 WHERE worker_id = ?2",
    "UPDATE clusters SET min_worker_id = ?1",
    "UPDATE clusters SET max_worker_id = ?1",
    "UPDATE clusters SET lease_time_ms = ?1",
    "UPDATE clusters SET reuse_delay_ms = ?1",
    "UPDATE clusters SET cool_down_ms = ?1",
    "UPDATE clusters SET last_epoch = ?1",
    "UPDATE clusters SET next_fresh = ?1",
    "UPDATE clusters SET granted = ?1",
    "UPDATE clusters SET incarnation = ?1",
    "UPDATE clusters SET incarnation_began = ?1",
    "UPDATE clusters SET hold_back_until_ms = ?1",
    "UPDATE clusters SET lost_timestamps_ms = ?1",
    "UPDATE clusters SET proven = ?1",
    "UPDATE records SET floor_ms = ?1 WHERE worker_id = ?2",
    "UPDATE instances SET worker_id = ?1 WHERE worker_id = ?2",
    "UPDATE instances SET instance = ?1 WHERE worker_id = ?2",
    "DELETE FROM records WHERE worker_id = ?2",
    "DELETE FROM clusters",
    "UPDATE machine SET boot_id = ?1",
    "UPDATE machine SET file = ?1",
    "UPDATE machine SET lost_ms = ?1",
};

// Changes one value. What the tables themselves refuse is left as it was.
void spoil(sqlite3& database, FuzzedDataProvider& input) {
  sqlite3_stmt* statement = nullptr;
  sqlite3_prepare_v2(&database, input.PickValueInArray(statements), -1, &statement, nullptr);
  switch (input.ConsumeIntegralInRange<int>(0, 4)) {
    case 0:
      sqlite3_bind_int64(statement, 1, input.ConsumeIntegral<std::int64_t>());
      break;
    case 1:
      sqlite3_bind_int64(statement, 1, input.ConsumeIntegralInRange<int>(-5, 5));
      break;
    case 2: {
      const std::string text = input.ConsumeRandomLengthString(30);
      sqlite3_bind_text(statement, 1, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
      break;
    }
    case 3:
      sqlite3_bind_double(statement, 1, input.ConsumeFloatingPoint<double>());
      break;
    default: {
      const std::string text = input.ConsumeRandomLengthString(30);
      sqlite3_bind_blob(statement, 1, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
    }
  }
  sqlite3_bind_int64(statement, 2, input.ConsumeIntegralInRange<int>(1, 3));
  sqlite3_step(statement);
  sqlite3_finalize(statement);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::LeaseFile file;
  static const std::string whole = file.bytes();
  FuzzedDataProvider input(data, size);
  const char which = input.PickValueInArray({'A', 'Q', 'g', 'w'});
  const WorkerId worker_id = input.ConsumeIntegralInRange<WorkerId>(1, 4);
  file.write(whole);
  sqlite3* opened = nullptr;
  sqlite3_open(file.path().c_str(), &opened);
  const std::unique_ptr<sqlite3, int (*)(sqlite3*)> database{opened, &sqlite3_close};
  sqlite3_exec(opened, "PRAGMA synchronous = OFF; BEGIN", nullptr, nullptr, nullptr);
  for (int count = 0; count < 8 && input.remaining_bytes() > 0; ++count) spoil(*opened, input);
  sqlite3_exec(opened, "COMMIT", nullptr, nullptr, nullptr);
  fuzz::perform([&] {
    const auto store = open_sqlite_store(file.path());
    fuzz::perform_all(*store, fuzz::cluster, file.token(which), worker_id, fuzz::small_cluster);
  });
  return 0;
}
