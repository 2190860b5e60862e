// SPDX-License-Identifier: MIT
//
// The stores that bench measures, each in a scratch place of its own.
#pragma once

#include "output.hpp"

#include <workerid/store.hpp>

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace workerid::cli {

/// How long one call may take.
inline constexpr std::chrono::seconds bench_timeout{10};

/// Makes the call of this number on a store. It may be made twice with the same outcome, so it takes
/// what it sends from outside.
using Call = std::function<void(Store&, std::size_t number)>;

/// The least that this kind of store can do for a durable change of one lease, over one connection.
/// Use from one thread at a time.
class Floor {
 public:
  Floor() = default;
  Floor(const Floor&) = delete;
  Floor& operator=(const Floor&) = delete;
  virtual ~Floor() = default;

  /// Writes one member. Errors: Error if the answer is not that of success.
  virtual void write(std::size_t member) = 0;
};

/// What a server tells of itself. Use from one thread at a time.
class Server {
 public:
  Server() = default;
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  virtual ~Server() = default;

  /// Makes `count` calls in a pipeline. Returns the processor time that the server took for them, in
  /// microseconds.
  virtual double cpu_us(std::size_t count, const Call& call) = 0;

  /// The same for `count` writes of the floor, to members below `members`.
  virtual double floor_cpu_us(std::size_t count, std::size_t members) = 0;

  /// What its data take.
  virtual double memory_bytes() = 0;
};

/// A store to measure. Whatever it writes there is gone when the object is.
/// Use from one thread at a time; the stores that it opens are thread-safe.
class Subject {
 public:
  explicit Subject(const std::string& name) : name_(name), cluster_(name) {}
  Subject(const Subject&) = delete;
  Subject& operator=(const Subject&) = delete;
  virtual ~Subject() = default;

  /// The name of the scratch cluster; another one after `clear()`, where the store cannot forget.
  const std::string& cluster() const noexcept { return cluster_; }

  /// The kind of store, and what is known of its version and set-up.
  virtual Json environment() = 0;

  /// A new connection, as another process has one.
  virtual std::shared_ptr<Store> open() = 0;

  /// Makes the scratch cluster one that was never used. No store may be in use meanwhile.
  virtual void clear() { cluster_ = name_ + "-" + std::to_string(++clusters_); }

  /// Makes `count` calls in the quickest way there is.
  virtual void make_quickly(std::size_t count, const Call& call) = 0;

  /// The server, if there is one that tells what it uses.
  virtual Server* server() { return nullptr; }

  /// Sees to it that the floor holds `members`.
  virtual void resize_floor(std::size_t) {}

  /// A new connection to the floor; nothing if this kind of store has none.
  virtual std::unique_ptr<Floor> open_floor() { return nullptr; }

  /// Whether processes can share this kind of store. False: `make_first_contact` is of no use.
  virtual bool is_for_processes() const noexcept { return true; }

  /// The least that a new process does which uses this kind of store; what it then has open ends with
  /// the object that is returned. Called in a process made by fork(2).
  virtual std::shared_ptr<void> make_first_contact() = 0;

  /// How many more connections the server takes; nothing if none tells.
  virtual std::optional<std::size_t> connections_left() { return std::nullopt; }

  /// How many files a store has open in its process.
  virtual std::size_t files_per_store() const noexcept { return 1; }

 private:
  std::string name_;
  std::string cluster_;
  int clusters_ = 0;
};

/// The IDs from 1 to `pool`, which come back as soon as they are released, with leases that do not end
/// meanwhile.
Configuration scratch_configuration(WorkerId pool);

/// An acquisition as a process makes it that uses the cluster for the first time.
AcquireRequest acquisition(const std::string& cluster, const Configuration& configuration);

/// Makes the subject for a store's URL: one of `open_store`, or "memory:".
/// Errors: UsageError for a URL of no known kind, or of one that cannot be measured; those of the
/// store.
std::unique_ptr<Subject> make_subject(const std::optional<std::string>& url);

/// Those of the stores that not every build has; `name` is that of the scratch place.
std::unique_ptr<Subject> make_redis_subject(const std::string& url, const std::string& name);
std::unique_ptr<Subject> make_sqlite_subject(const std::filesystem::path& path,
                                             const std::string& name);

}  // namespace workerid::cli
