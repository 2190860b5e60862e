// SPDX-License-Identifier: MIT
//
// workerid: worker IDs for commands and scripts.
#include "commands.hpp"
#include "exit_codes.hpp"
#include "output.hpp"
#include "signals.hpp"
#include "values.hpp"

#include <workerid/version.hpp>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <exception>
#include <fcntl.h>
#include <iostream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

namespace workerid::cli {

namespace {

// Words on lines of `width` characters at the most.
std::string wrapped(const std::string& text, std::size_t width) {
  std::istringstream words{text};
  std::string lines;
  std::size_t length = 0;
  for (std::string word; words >> word; length += word.size()) {
    if (length != 0) {
      const bool fits = length + 1 + word.size() <= width;
      lines += fits ? ' ' : '\n';
      length = fits ? length + 1 : 0;
    }
    lines += word;
  }
  return lines;
}

class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() { column_width(option_column_width); }

  std::string make_option_desc(const CLI::Option* option) const override {
    return wrapped(CLI::Formatter::make_option_desc(option), help_width - option_column_width);
  }

  std::string make_usage(const CLI::App* command, std::string name) const override {
    std::string usage = CLI::Formatter::make_usage(command, std::move(name));
    if (command->get_name() == "run") usage.insert(usage.size() - 1, " -- COMMAND [ARGUMENT...]");
    return usage;
  }

 private:
  static constexpr std::size_t option_column_width = 24;
  static constexpr std::size_t help_width = 96;
};

bool is_token(const std::string& argument) {
  try {
    Token::parse(argument);
    return true;
  } catch (const Error&) {
    return false;
  }
}

// What the parser shall see. What stands behind "--" of `run` is the command's and not looked at; a
// token is never an option, even if it begins with '-'.
std::vector<std::string> parser_arguments(std::vector<std::string> arguments,
                                          std::vector<std::string>& command_line) {
  const auto mark = std::find(arguments.begin(), arguments.end(), "--");
  if (mark == arguments.end()) {
    const auto token = std::find_if(
        arguments.begin(), arguments.end(),
        [](const std::string& word) { return word.rfind('-', 0) == 0 && is_token(word); });
    if (token != arguments.end()) {
      std::rotate(token, std::next(token), arguments.end());
      arguments.insert(std::prev(arguments.end()), "--");
    }
  } else if (arguments.front() == "run") {
    command_line.assign(std::next(mark), arguments.end());
    arguments.erase(mark, arguments.end());
  }
  return arguments;
}

int usage_error(Output output, const std::string& message) {
  say(output, message, {{"error", "usage"}});
  if (output == Output::text) std::cerr << "Try: workerid --help\n";
  return exit_usage;
}

// Closed standard streams stay unusable, but their numbers are not given to files of ours.
void fill_closed_streams() {
  for (int number = 0; number < 3; ++number) {
    const bool closed = ::fcntl(number, F_GETFD) < 0;
    if (closed) ::open("/dev/null", number == 0 ? O_WRONLY : O_RDONLY);
  }
}

int perform(std::vector<std::string> arguments) {
  CLI::App tool{"Leases worker IDs: small integers, each held by one live process at a time",
                "workerid"};
  tool.formatter(std::make_shared<HelpFormatter>());
  tool.set_version_flag("--version", "workerid " WORKERID_VERSION, "Print the version and exit");
  tool.set_help_flag("--help,-h", "Print this help and exit");
  tool.require_subcommand(0, 1);  // none is refused below, in better words

  Invocation invocation{.common = {}, .command_line = {}};
  const std::vector<Command> commands{
      add_run(tool, invocation),       add_get(tool, invocation),
      add_renew(tool, invocation),     add_release(tool, invocation),
      add_list(tool, invocation),      add_inspect(tool, invocation),
      add_snowflake(tool, invocation), add_decode(tool, invocation),
      add_clusters(tool, invocation),  add_resize(tool, invocation),
      add_evict(tool, invocation),     add_doctor(tool, invocation),
      add_torture(tool, invocation),   add_torture_holder(tool, invocation),
      add_bench(tool, invocation),     add_completion(tool, invocation)};
  tool.footer("workerid COMMAND --help tells all about a command.\n\n" + exit_code_table());

  try {
    arguments = parser_arguments(std::move(arguments), invocation.command_line);
    std::reverse(arguments.begin(), arguments.end());  // CLI11 takes the last one first
    try {
      tool.parse(std::move(arguments));
    } catch (const CLI::Success& asked) {  // for help
      std::ostringstream text;
      tool.exit(asked, text, text);
      write_result(text.str());
      return exit_success;
    }
    const auto command = std::find_if(commands.begin(), commands.end(),
                                      [](const Command& each) { return each.parser->parsed(); });
    if (command == commands.end()) {
      return usage_error(invocation.common.output, "there is no command");
    }
    invocation.common.take_from_environment(*command->parser);
    return command->perform();
  } catch (const CLI::ParseError& error) {
    return usage_error(invocation.common.output, error.what());
  } catch (const UsageError& error) {
    return usage_error(invocation.common.output, error.what());
  } catch (const Error& error) {
    say(invocation.common.output, error);
    return exit_code(error.error_code());
  } catch (const std::exception& error) {
    say(invocation.common.output, error.what());
    return exit_failure;
  }
}

}  // namespace

}  // namespace workerid::cli

int main(int argc, char** argv) {
  workerid::cli::fill_closed_streams();
  workerid::cli::prepare_signals();
  return workerid::cli::perform({std::next(argv), std::next(argv, argc)});
}
