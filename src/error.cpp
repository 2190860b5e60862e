// SPDX-License-Identifier: MIT
#include "printable.hpp"

#include <workerid/error.hpp>

namespace workerid {

namespace {

struct Meaning {
  std::string_view name;
  std::string_view text;
  std::string_view advice;
};

Meaning meaning(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::no_available_id:
      return {"no_available_id", "no available ID",
              "Wait for the time that is named, or use a wider range."};
    case ErrorCode::invalid_worker_id:
      return {"invalid_worker_id", "invalid worker ID", "Pass an ID of the cluster's range."};
    case ErrorCode::token_mismatch:
      return {"token_mismatch", "token mismatch",
              "Stop using the ID: somebody else holds it. Get a new one."};
    case ErrorCode::token_expired:
      return {"token_expired", "token expired",
              "Stop using the ID: the lease has ended. Get a new one."};
    case ErrorCode::not_assigned:
      return {"not_assigned", "not assigned", "Stop using the ID: nobody holds it. Get a new one."};
    case ErrorCode::invalid_token:
      return {"invalid_token", "invalid token", "Pass the token that came with the ID."};
    case ErrorCode::configuration_mismatch:
      return {"configuration_mismatch", "configuration mismatch",
              "Use the cluster's range and times, or another cluster."};
    case ErrorCode::unavailable:
      return {"unavailable", "store unavailable", "Repeat the call later; nothing was changed."};
    case ErrorCode::outcome_unknown:
      return {"outcome_unknown", "outcome unknown",
              "Repeat the call with the same token: it may have been applied."};
    case ErrorCode::holding_back:
      return {"holding_back", "holding back new grants",
              "Wait for the time that is named: the store may have forgotten leases."};
    case ErrorCode::invalid_argument:
      return {"invalid_argument", "invalid argument", "Correct the value that is named."};
    case ErrorCode::denied:
      return {"denied", "denied", "Ask whoever runs the store for the permission that is named."};
    case ErrorCode::corrupt_record:
      return {"corrupt_record", "corrupt record",
              "Look at the data that is named: it is damaged, or another program's."};
    case ErrorCode::unsupported_server:
      return {"unsupported_server", "unsupported server",
              "Use another version of the server or of this library, or another place."};
  }
  return {"unknown", "unknown error", ""};
}

class Category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "workerid"; }
  std::string message(int value) const override {
    return std::string{meaning(static_cast<ErrorCode>(value)).text};
  }
};

}  // namespace

std::string_view name(ErrorCode code) noexcept {
  return meaning(code).name;
}

std::string_view advice(ErrorCode code) noexcept {
  return meaning(code).advice;
}

bool store_may_have_changed(ErrorCode code) noexcept {
  return code == ErrorCode::outcome_unknown;
}

const std::error_category& error_category() noexcept {
  static const Category category;
  return category;
}

std::error_code make_error_code(ErrorCode code) noexcept {
  return {static_cast<int>(code), error_category()};
}

Error::Error(ErrorCode code, const std::string& facts,
             std::optional<std::chrono::milliseconds> retry_after)
    : std::system_error(make_error_code(code), detail::printable(facts)),
      retry_after_(retry_after) {}

}  // namespace workerid
