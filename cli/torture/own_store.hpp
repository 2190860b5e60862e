// SPDX-License-Identifier: MIT
//
// Stores that torture makes for itself, so that it can do to them what it likes.
#pragma once

#include "descriptor.hpp"
#include "torture/child.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace workerid::cli {

/// A new, empty directory, removed with all its content at the end.
class OwnDirectory {
 public:
  OwnDirectory();
  OwnDirectory(const OwnDirectory&) = delete;
  OwnDirectory& operator=(const OwnDirectory&) = delete;
  ~OwnDirectory();

  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

/// A redis-server from PATH on a loopback port.
class RedisServer {
 public:
  /// `command` starts one; its port and its directory are added.
  RedisServer(std::filesystem::path directory, std::vector<std::string> command);

  /// Returns when it answers. Errors: std::runtime_error with what it wrote.
  void start(const std::vector<std::string>& more_arguments = {});
  void kill();
  void signal(int number) const { process_->signal(number); }
  std::uint16_t port() const noexcept { return port_; }

  /// What it answers to a command, as it came; empty if nothing came.
  std::string ask(const std::string& command) const;

 private:
  std::filesystem::path directory_;
  std::vector<std::string> command_;
  std::uint16_t port_;
  std::unique_ptr<Child> process_;
};

enum class ServerData {
  none,        ///< A server that was killed has forgotten everything.
  appendonly,  ///< It has kept everything.
  replica,     ///< It is followed by one that has missed its last writes.
};

class OwnRedis {
 public:
  /// `step_clock` is a library to preload that adds to the wall clock the nanoseconds which stand in
  /// the file that STEPCLOCK names; empty for none.
  /// Errors: std::runtime_error; UsageError if the library does not do that.
  OwnRedis(ServerData data, const std::filesystem::path& step_clock);

  std::uint16_t port() const noexcept { return master().port(); }
  void signal(int number) const { master().signal(number); }
  void kill() { master().kill(); }
  void start() { master().start(); }
  void wipe() const { master().ask("FLUSHALL"); }

  /// Whether the replica follows the master.
  bool replicates() const;

  /// The replica receives no more writes.
  void part() const;

  /// Kills the master; the replica is the new one, and gets one of its own.
  void promote();

  /// Moves the servers' wall clock.
  void step_clock(std::chrono::seconds by);

 private:
  RedisServer& master() noexcept { return servers_.front(); }
  const RedisServer& master() const noexcept { return servers_.front(); }
  std::vector<std::string> replica_of_master() const;

  OwnDirectory directory_;
  std::optional<Descriptor> clock_;
  std::chrono::nanoseconds clock_offset_{};
  std::vector<RedisServer> servers_;  // the master first
};

class OwnFile {
 public:
  std::filesystem::path path() const { return directory_.path() / "leases.db"; }

  // Nothing may use the file during these.
  void erase() const;
  void copy() const;
  void put_copy_back() const;

 private:
  OwnDirectory directory_;
};

}  // namespace workerid::cli
