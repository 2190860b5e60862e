// SPDX-License-Identifier: MIT
//
// Internal: what a store's operation came to, as a value.
#pragma once

#include "cancellation.hpp"

#include <workerid/error.hpp>
#include <workerid/store.hpp>

#include <exception>
#include <string>
#include <variant>

namespace workerid::detail {

/// What the error says, without the words of its code, which another error would say twice.
inline std::string facts_of(const Error& error) {
  std::string text = error.what();
  const std::string words = ": " + error.code().message();
  if (text.ends_with(words)) text.resize(text.size() - words.size());
  return text;
}

/// What `operation` granted or was refused for. A store of the user's may throw anything, which must
/// not end the host: its outcome is unknown then.
template <typename Operation>
WORKERID_CATCHES_FORCED_UNWIND std::variant<Grant, Error> answer_of(Operation operation) {
  try {
    return operation();
  } catch (const Error& error) {
    return error;
  } catch (const std::exception& error) {
    return Error(ErrorCode::outcome_unknown, error.what());
  } catch (const ForcedUnwind&) {
    throw;
  } catch (...) {
    return Error(ErrorCode::outcome_unknown, "the store threw what is no std::exception");
  }
}

}  // namespace workerid::detail
