// SPDX-License-Identifier: MIT
//
// An option whose value one of our own functions reads. Whoever defines options includes this; what
// only knows them by name does not compile the parser.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace workerid::cli {

/// Adds an option whose value `parse(name, text)` reads.
template <typename Value, typename Parse>
CLI::Option* add_parsed(CLI::App& command, const std::string& name, Value& value, Parse parse,
                        const std::string& type, const std::string& description) {
  return command
      .add_option_function<std::string>(
          name, [&value, parse, name](const std::string& text) { value = parse(name, text); },
          description)
      ->type_name(type);
}

}  // namespace workerid::cli
