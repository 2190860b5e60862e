// SPDX-License-Identifier: MIT
#include "bench/subject.hpp"

#include "store_url.hpp"
#include "values.hpp"

#include <workerid/memory_store.hpp>

#include <random>
#include <string_view>

namespace workerid::cli {

namespace {

class MemorySubject final : public Subject {
 public:
  using Subject::Subject;

  Json environment() override { return {{"kind", "memory"}, {"store", "memory:"}}; }
  std::shared_ptr<Store> open() override { return store_; }

  void make_quickly(std::size_t count, const Call& call) override {
    for (std::size_t number = 0; number < count; ++number) call(*store_, number);
  }

  bool is_for_processes() const noexcept override { return false; }
  std::shared_ptr<void> make_first_contact() override { return nullptr; }
  std::size_t files_per_store() const noexcept override { return 0; }

 private:
  std::shared_ptr<Store> store_ = open_memory_store();
};

std::string scratch_name() {
  std::random_device random;
  constexpr std::string_view characters = "0123456789abcdefghijklmnopqrstuvwxyz";
  std::string name = "workerid-bench-";
  for (int count = 0; count < 12; ++count) name += characters[random() % characters.size()];
  return name;
}

}  // namespace

Configuration scratch_configuration(WorkerId pool) {
  return {.min_worker_id = 1,
          .max_worker_id = pool,
          .lease_time = std::chrono::hours{24},
          .reuse_delay = std::chrono::milliseconds{0},
          .cool_down = std::chrono::milliseconds{0}};
}

AcquireRequest acquisition(const std::string& cluster, const Configuration& configuration) {
  return {.cluster = cluster,
          .configuration = configuration,
          .token = Token::random(),
          .owner = "bench-host.example.net pid 1234567 (1970)",  // as long as a usual one
          .fresh = true,
          .client = {boottime_clock()->now(), "bench"}};
}

std::unique_ptr<Subject> make_subject(const std::optional<std::string>& url) {
  if (!url) throw UsageError("--store is missing: name the store to measure, or memory:");
  if (*url == "memory:") return std::make_unique<MemorySubject>(scratch_name());
  const StoreAddress address = parse_store_url(url);
  if (address.kind == StoreAddress::Kind::redis) {
#if WORKERID_HAVE_REDIS
    return make_redis_subject(address.place, scratch_name());
#endif
  } else {
#if WORKERID_HAVE_SQLITE
    return make_sqlite_subject(address.place, scratch_name());
#endif
  }
  open_store(url);  // says that this build lacks it
  throw UsageError("--store: this build of workerid has no such store");
}

}  // namespace workerid::cli
