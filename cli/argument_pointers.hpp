// SPDX-License-Identifier: MIT
//
// What execve(2) takes.
#pragma once

#include <string>
#include <vector>

namespace workerid::cli {

/// Points to each of `texts`, which stay where they are, and ends with a null pointer.
inline std::vector<char*> argument_pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace workerid::cli
