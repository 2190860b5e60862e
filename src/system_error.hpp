// SPDX-License-Identifier: MIT
//
// Internal: what an error of the operating system means to a caller.
#pragma once

#include <workerid/error.hpp>

#include <cerrno>
#include <string>
#include <system_error>

namespace workerid::detail {

/// `denied` if a permission is missing, else `other`.
inline ErrorCode code_of_system_error(int error,
                                      ErrorCode other = ErrorCode::unavailable) noexcept {
  return error == EACCES || error == EPERM || error == EROFS ? ErrorCode::denied : other;
}

inline std::string system_text(int error) {
  return std::generic_category().message(error);
}

}  // namespace workerid::detail
