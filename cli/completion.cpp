// SPDX-License-Identifier: MIT
#include "commands.hpp"
#include "exit_codes.hpp"
#include "output.hpp"
#include "values.hpp"

namespace workerid::cli {

namespace {

// The command's long options, as words.
std::string option_words(const CLI::App& command) {
  std::string words;
  for (const CLI::Option* const option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) words += "--" + name + " ";
  }
  return words;
}

// Made from the parser itself, so it never lags behind it.
std::string bash_script(const CLI::App& tool) {
  std::string commands;
  std::string cases;
  for (const CLI::App* const command : tool.get_subcommands({})) {
    if (command->get_group().empty()) continue;  // hidden
    commands += command->get_name() + " ";
    cases += "    " + command->get_name() + ") words='" + option_words(*command) +
             (command->get_name() == "completion" ? "bash" : "") + "' ;;\n";
  }
  return R"bash(# bash completion for workerid
_workerid() {
  local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} words index
  COMPREPLY=()
  for ((index = 1; index < COMP_CWORD; index++)); do
    if [[ ${COMP_WORDS[index]} == -- ]]; then
      if ((index + 1 == COMP_CWORD)); then
        COMPREPLY=($(compgen -c -- "$word"))
      else
        COMPREPLY=($(compgen -f -- "$word"))
      fi
      return
    fi
  done
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W ')bash" +
         commands + option_words(tool) + R"bash(' -- "$word"))
    return
  fi
  case $previous in
    --output) COMPREPLY=($(compgen -W 'text json' -- "$word")); return ;;
    --form) COMPREPLY=($(compgen -W 'decimal base62 base32' -- "$word")); return ;;
    --layout)
      COMPREPLY=($(compgen -W 'default twitter sonyflake javascript seconds' -- "$word"))
      return ;;
    --server) COMPREPLY=($(compgen -W 'redis sqlite' -- "$word")); return ;;
    --server-data) COMPREPLY=($(compgen -W 'none appendonly replica' -- "$word")); return ;;
    --identity-file | --step-clock | --store) COMPREPLY=($(compgen -f -- "$word")); return ;;
  esac
  case ${COMP_WORDS[1]} in
)bash" + cases +
         R"bash(    *) words= ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -F _workerid workerid
)bash";
}

int completion(const CLI::App& tool, const std::string& shell) {
  if (shell != "bash") {
    throw UsageError("SHELL: \"" + shell + "\" is not supported: use bash");
  }
  write_result(bash_script(tool));
  return exit_success;
}

}  // namespace

Command add_completion(CLI::App& tool, Invocation&) {
  CLI::App* const parser =
      tool.add_subcommand("completion", "Print the script that completes words in a shell");
  const auto shell = std::make_shared<std::string>();
  parser->add_option("SHELL", *shell, "bash")->required()->type_name("");
  parser->footer(
      "Example:\n"
      "  source <(workerid completion bash)\n");
  return {parser, [&tool, shell] { return completion(tool, *shell); }};
}

}  // namespace workerid::cli
