// SPDX-License-Identifier: MIT
//
// Errors, by what the caller does next.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace workerid {

/// Every way an operation can fail. The list is closed: handle by what to do next, not by text.
///
/// | code                   | store changed? | what to do next                                      |
/// |------------------------|----------------|------------------------------------------------------|
/// | no_available_id        | no             | wait `Error::retry_after()`, or widen the range (G9) |
/// | invalid_worker_id      | no             | fix the call: the ID is outside the cluster's range  |
/// | token_mismatch         | no             | stop using the ID: somebody else holds it (G3)       |
/// | token_expired          | no             | stop using the ID; get a new one                     |
/// | not_assigned           | no             | stop using the ID: nobody holds it                   |
/// | invalid_token          | no             | fix the call: this is not a token, or it is used up  |
/// | configuration_mismatch | no             | use the cluster's values, or another cluster (G12)   |
/// | unavailable            | no             | repeat the call later                                |
/// | outcome_unknown        | perhaps        | repeat the call with the same token (G5)             |
/// | holding_back           | no             | wait `Error::retry_after()` (G7)                     |
/// | invalid_argument       | no             | fix the call                                         |
/// | denied                 | no             | ask whoever runs the store for the permission        |
/// | corrupt_record         | no             | the data is foreign or damaged: look at it           |
/// | unsupported_server     | no             | use another version of the server, or of the library |
enum class ErrorCode {
  no_available_id = 1,
  invalid_worker_id,
  token_mismatch,
  token_expired,
  not_assigned,
  invalid_token,
  configuration_mismatch,
  unavailable,
  outcome_unknown,
  holding_back,
  invalid_argument,
  denied,
  corrupt_record,
  unsupported_server,
};

/// The code's name as it stands in the enumeration, for example "no_available_id". Never blocks.
std::string_view name(ErrorCode code) noexcept;

/// What the caller does next, as one sentence. Never blocks.
std::string_view advice(ErrorCode code) noexcept;

/// True if the operation that failed with this code may nevertheless have been applied. Never blocks.
bool store_may_have_changed(ErrorCode code) noexcept;

/// The category of `ErrorCode`, named "workerid".
const std::error_category& error_category() noexcept;
std::error_code make_error_code(ErrorCode code) noexcept;

/// The one exception type of the library. Its text has the facts (cluster, worker ID, value, limit,
/// the server's words) and never a token or a password.
class Error : public std::system_error {
 public:
  Error(ErrorCode code, const std::string& facts,
        std::optional<std::chrono::milliseconds> retry_after = std::nullopt);

  ErrorCode error_code() const noexcept { return static_cast<ErrorCode>(code().value()); }

  /// The time after which a repetition may succeed, where it is known: for `no_available_id` the
  /// earliest that an ID can come free, for `holding_back` the time left, for an `unavailable` of a
  /// Snowflake what its clock lacks. Holders that renew make the first one longer.
  std::optional<std::chrono::milliseconds> retry_after() const noexcept { return retry_after_; }

 private:
  std::optional<std::chrono::milliseconds> retry_after_;
};

}  // namespace workerid

template <>
struct std::is_error_code_enum<workerid::ErrorCode> : std::true_type {};
