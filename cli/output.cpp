// SPDX-License-Identifier: MIT
#include "output.hpp"

#include "printable.hpp"
#include "values.hpp"

#include <algorithm>
#include <cerrno>
#include <iostream>
#include <poll.h>
#include <stdexcept>
#include <system_error>
#include <unistd.h>

namespace workerid::cli {

namespace {

using detail::printable;

// In ASCII: a terminal shows what a store returned, and whoever parses it gets it unchanged. What is no
// UTF-8 is replaced.
std::string dump(const Json& json) {
  return json.dump(-1, ' ', true, Json::error_handler_t::replace);
}

// Lines of ours; the line breaks of strangers were replaced before.
std::string printable_lines(std::string_view text) {
  std::string shown;
  for (std::size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    shown += printable(text.substr(0, end)) + "\n";
    text.remove_prefix(end + 1);
  }
  return shown + printable(text);
}

[[noreturn]] void fail_to_write() {
  throw std::runtime_error("standard output does not take the result: " +
                           std::generic_category().message(errno));
}

}  // namespace

void write_result(const std::string& text) {
  const char* next = text.data();
  const char* const end = next + text.size();
  while (next != end) {
    const ssize_t written = ::write(STDOUT_FILENO, next, static_cast<std::size_t>(end - next));
    if (written < 0 && errno != EINTR) fail_to_write();
    next += std::max<ssize_t>(written, 0);
  }
  // Some file systems, as NFS, tell only who closes a file that it did not get there.
  const int copy = ::dup(STDOUT_FILENO);
  if (copy >= 0 && ::close(copy) != 0) fail_to_write();
}

void wait_for_room() {
  pollfd output{.fd = STDOUT_FILENO, .events = POLLOUT, .revents = 0};
  while (::poll(&output, 1, -1) < 0 && errno == EINTR) {
  }
}

void print(Output output, const std::string& text, const Json& json) {
  write_result(output == Output::json ? dump(json) + "\n" : printable_lines(text));
}

void say(Output output, const std::string& message, Json json) {
  json["message"] = message;
  std::cerr << (output == Output::json ? dump(json) : "workerid: " + printable(message)) + "\n"
            << std::flush;
}

void say(Output output, const Error& error) {
  Json json{{"error", name(error.error_code())}};
  if (error.retry_after()) json["retry_after_ms"] = error.retry_after()->count();
  say(output, std::string{error.what()} + ". " + std::string{advice(error.error_code())},
      std::move(json));
}

std::string table(std::vector<std::vector<std::string>> rows) {
  std::vector<std::size_t> widths;
  for (auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t column = 0; column < row.size(); ++column) {
      row[column] = printable(row[column]);
      widths[column] = std::max(widths[column], row[column].size());
    }
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t column = 0; column < row.size(); ++column) {
      line += row[column] + std::string(widths[column] - row[column].size() + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::chrono::milliseconds time_left(const LeaseView& lease) {
  return lease.state == LeaseState::leased ? lease.lease_left : lease.free_in;
}

Json to_json(const LeaseView& lease) {
  return {{"worker_id", lease.worker_id},
          {"state", name(lease.state)},
          {"epoch", lease.epoch},
          {"instance", lease.instance},
          {"owner", lease.owner},
          {"lease_left_ms", lease.lease_left.count()},
          {"free_in_ms", lease.free_in.count()},
          {"reserved_first_ms", lease.reserved.first_ms},
          {"reserved_last_ms", lease.reserved.last_ms}};
}

Json to_json(const Configuration& configuration) {
  return {{"min_worker_id", configuration.min_worker_id},
          {"max_worker_id", configuration.max_worker_id},
          {"lease_ms", configuration.lease_time.count()},
          {"reuse_delay_ms", configuration.reuse_delay.count()},
          {"cool_down_ms", configuration.cool_down.count()}};
}

Json to_json(const std::string& cluster, const ClusterView& view) {
  return {{"cluster", cluster},
          {"hold_back_ms", view.hold_back.count()},
          {"configuration", to_json(view.configuration)},
          {"last_epoch", view.last_epoch},
          {"counts",
           {{"leased", view.count(LeaseState::leased)},
            {"expired", view.count(LeaseState::expired)},
            {"cooling_down", view.count(LeaseState::cooling_down)},
            {"free", view.count(LeaseState::free)},
            {"never_granted", view.never_granted}}}};
}

}  // namespace workerid::cli
