// SPDX-License-Identifier: MIT
#include "bench/ways.hpp"

#include <barrier>
#include <chrono>
#include <exception>
#include <functional>
#include <system_error>
#include <thread>

namespace workerid::cli {

namespace {

using std::chrono::steady_clock;

double us_since(steady_clock::time_point start) {
  return std::chrono::duration<double, std::micro>(steady_clock::now() - start).count();
}

// Connects, and does what a store does but once.
void warm_up(Subject& subject, Store& store) {
  const AcquireRequest request = acquisition(subject.cluster(), {});
  const Grant grant = store.acquire(request, bench_timeout);
  store.release({subject.cluster(), grant.worker_id, request.token, true, {}, request.client},
                bench_timeout);
}

class OneByOne final : public Way {
 public:
  explicit OneByOne(Subject& subject) : store_(subject.open()), floor_(subject.open_floor()) {
    warm_up(subject, *store_);
    subject.clear();
  }

  void make(std::size_t count, const Call& call, Tally& tally) override {
    for (std::size_t number = 0; number < count; ++number) {
      const auto start = steady_clock::now();
      call(*store_, number);
      add(tally, us_since(start));
    }
  }

  void write_floor(std::size_t count, std::size_t members, Tally& tally) override {
    if (!floor_) return;
    for (std::size_t number = 0; number < count; ++number) {
      const std::size_t member = random_() % members;
      const auto start = steady_clock::now();
      floor_->write(member);
      add(tally, us_since(start));
    }
  }

 private:
  static void add(Tally& tally, double us) {
    ++tally.operations;
    tally.cost_us += us;
    tally.latencies_us.push_back(us);
  }

  std::shared_ptr<Store> store_;
  std::unique_ptr<Floor> floor_;
  std::minstd_rand random_;
};

class Crowd final : public Way {
 public:
  Crowd(Subject& subject, std::size_t connections)
      : barrier_(static_cast<std::ptrdiff_t>(connections) + 1) {
    for (std::size_t index = 0; index < connections; ++index) {
      members_.push_back({subject.open(), subject.open_floor(), {}, std::minstd_rand{}});
      warm_up(subject, *members_.back().store);
    }
    subject.clear();
    try {
      for (std::size_t index = 0; index < connections; ++index) {
        threads_.emplace_back([this, index] { work(index); });
      }
    } catch (const std::system_error&) {  // no more threads are allowed
      for (std::size_t missing = threads_.size(); missing < connections; ++missing) {
        barrier_.arrive_and_drop();
      }
      end();
      throw;
    }
  }

  ~Crowd() override { end(); }

  void make(std::size_t count, const Call& call, Tally& tally) override {
    perform(count, tally, [&](Member& member, std::size_t number) { call(*member.store, number); });
  }

  void write_floor(std::size_t count, std::size_t all, Tally& tally) override {
    if (!members_.front().floor) return;
    perform(count, tally,
            [all](Member& member, std::size_t) { member.floor->write(member.random() % all); });
  }

  std::size_t fewest() const noexcept override { return members_.size(); }

 private:
  void end() {
    task_ = nullptr;
    barrier_.arrive_and_wait();
    for (std::thread& thread : threads_) thread.join();
  }

  struct Member {
    std::shared_ptr<Store> store;
    std::unique_ptr<Floor> floor;
    std::exception_ptr failure;
    std::minstd_rand random;
  };

  void perform(std::size_t count, Tally& tally,
               const std::function<void(Member&, std::size_t)>& task) {
    task_ = task;
    count_ = count;
    const auto start = steady_clock::now();
    barrier_.arrive_and_wait();
    barrier_.arrive_and_wait();
    tally.cost_us += us_since(start);
    tally.operations += count;
    for (Member& member : members_) {
      if (member.failure) std::rethrow_exception(std::exchange(member.failure, nullptr));
    }
  }

  void work(std::size_t index) {
    while (true) {
      barrier_.arrive_and_wait();
      if (!task_) return;
      Member& member = members_[index];
      try {
        for (std::size_t number = index; number < count_; number += members_.size()) {
          task_(member, number);
        }
      } catch (...) {
        member.failure = std::current_exception();
      }
      barrier_.arrive_and_wait();
    }
  }

  std::barrier<> barrier_;
  std::vector<Member> members_;
  std::vector<std::thread> threads_;
  std::function<void(Member&, std::size_t)> task_;  // written between two phases of the barrier
  std::size_t count_ = 0;
};

class Pipelined final : public Way {
 public:
  explicit Pipelined(Server& server) : server_(server) {}

  void make(std::size_t count, const Call& call, Tally& tally) override {
    add(tally, count, server_.cpu_us(count, call));
  }

  void write_floor(std::size_t count, std::size_t members, Tally& tally) override {
    add(tally, count, server_.floor_cpu_us(count, members));
  }

 private:
  static void add(Tally& tally, std::size_t count, double cost_us) {
    tally.operations += count;
    tally.cost_us += cost_us;
  }

  Server& server_;
};

}  // namespace

std::unique_ptr<Way> one_by_one(Subject& subject) {
  return std::make_unique<OneByOne>(subject);
}

std::unique_ptr<Way> by_a_crowd(Subject& subject, std::size_t connections) {
  return std::make_unique<Crowd>(subject, connections);
}

std::unique_ptr<Way> pipelined(Server& server) {
  return std::make_unique<Pipelined>(server);
}

}  // namespace workerid::cli
