// SPDX-License-Identifier: MIT
//
// Checks of what a caller passes, and the refusal with the value, the limit and the reason.
#pragma once

#include <cstddef>
#include <string>

namespace workerid::detail {

// Throws `invalid_argument`.
[[noreturn]] void refuse(const std::string& facts);

// Refuses more than `longest` bytes, and control characters: they separate the fields of a record in
// some stores and confuse terminals in all.
void check_text(const std::string& what, const std::string& text, std::size_t longest);

}  // namespace workerid::detail
