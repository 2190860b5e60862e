// SPDX-License-Identifier: MIT
//
// Makes one call many times, and prints how often that allocated. What is counted about it from
// outside is in cost_test.cpp.
#include <workerid/generator.hpp>
#include <workerid/memory_store.hpp>

#include <cstdlib>
#include <iostream>
#include <new>
#include <stdexcept>
#include <string>

namespace {

thread_local long allocations = 0;

void* allocate(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}

template <typename Call>
long allocations_of(long calls, Call call) {
  const long before = allocations;
  for (long made = 0; made < calls; ++made) {
    if (!call()) std::abort();
  }
  return allocations - before;
}

long measure(const std::string& what, long calls) {
  using namespace std::chrono_literals;
  if (what == "renew") {
    const auto store = workerid::open_memory_store();
    const workerid::AcquireRequest request{.cluster = "probe",
                                           .token = workerid::Token::random(),
                                           .client = {workerid::boottime_clock()->now(), {}}};
    const workerid::Grant grant = store->acquire(request, 1s);
    const workerid::RenewRequest renewal{.cluster = request.cluster,
                                         .worker_id = grant.worker_id,
                                         .token = request.token,
                                         .client = request.client};
    return allocations_of(calls,
                          [&] { return store->renew(renewal, 1s).worker_id == grant.worker_id; });
  }
  workerid::Generator generator{workerid::open_memory_store(), "probe"};
  const workerid::Lease lease = generator.lease();
  if (what == "held") return allocations_of(calls, [&] { return lease.held(); });
  if (what == "worker_id") return allocations_of(calls, [&] { return lease.worker_id() == 1; });
  throw std::invalid_argument("there is no call " + what);
}

}  // namespace

void* operator new(std::size_t size) {
  return allocate(size);
}
void* operator new[](std::size_t size) {
  return allocate(size);
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete[](void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  std::free(memory);
}

int main(int argc, char** argv) try {
  if (argc != 3) throw std::invalid_argument("usage: cost_probe held|worker_id|renew CALLS");
  std::cout << measure(argv[1], std::stol(argv[2])) << " allocations\n";
} catch (const std::exception& error) {
  std::cerr << "cost_probe: " << error.what() << '\n';
  return 1;
}
