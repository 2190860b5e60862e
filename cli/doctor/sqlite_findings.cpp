// SPDX-License-Identifier: MIT
#include "doctor/sqlite_findings.hpp"

#include <array>
#include <cstdio>

namespace workerid::cli {

namespace {

namespace fs = std::filesystem;

std::string octal(fs::perms mode) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "%04o", static_cast<unsigned>(mode));
  return text.data();
}

bool has(fs::perms mode, fs::perms bits) {
  return (mode & bits) != fs::perms::none;
}

}  // namespace

Finding judge_place(std::uint32_t magic, const std::optional<detail::UnfitPlace>& unfit) {
  constexpr std::uint32_t tmpfs = 0x01021994;
  if (unfit) {
    const bool owned = unfit->code == ErrorCode::denied;
    return {Severity::error, owned ? "permissions" : "file system", unfit->reason, unfit->remedy};
  }
  if (magic == tmpfs) {
    return {Severity::note, "file system",
            "tmpfs, local: a reboot loses the file, and with it the greatest epoch and the "
            "timestamps that were reserved"};
  }
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "0x%x", magic);
  return {Severity::ok, "file system", "local (kind " + std::string{text.data()} + ")"};
}

Finding judge_space(std::uintmax_t free_bytes) {
  constexpr std::uintmax_t megabyte = 1'000'000;
  const std::string reason = bytes_text(static_cast<double>(free_bytes)) + " free";
  if (free_bytes < megabyte) {
    return {Severity::error, "space", reason + ": a grant or a renewal may find no room",
            "make room on the file system, or name another one"};
  }
  if (free_bytes < 50 * megabyte) {
    return {Severity::warning, "space",
            reason + ": a log of SQLite may grow to more than that while something reads",
            "make room on the file system, or name another one"};
  }
  return {Severity::ok, "space", reason};
}

Findings judge_permissions(const Permissions& folder, const std::vector<Permissions>& files) {
  Findings findings;
  if (!folder.writable) {
    findings.push_back(
        {Severity::error, "permissions",
         folder.path.string() +
             ": this user cannot make files in the folder, as SQLite has to (-wal and "
             "-shm)",
         "chown or chmod u+rwx " + folder.path.string() +
             ", or mount its file system to be written"});
  }
  if (has(folder.mode, fs::perms::others_write) && !has(folder.mode, fs::perms::sticky_bit)) {
    findings.push_back({Severity::warning, "permissions",
                        folder.path.string() + " has mode " + octal(folder.mode) +
                            ": anybody can delete or replace the file",
                        "chmod o-w " + folder.path.string()});
  }
  for (const Permissions& file : files) {
    if (!file.writable) {
      findings.push_back(
          {Severity::error, "permissions",
           file.path.string() + " has mode " + octal(file.mode) + ": this user cannot write to it",
           "chown or chmod u+rw " + file.path.string() +
               ", or mount its file system to be written"});
    }
    if (has(file.mode, fs::perms::others_read | fs::perms::others_write)) {
      findings.push_back({Severity::warning, "permissions",
                          file.path.string() + " has mode " + octal(file.mode) +
                              ": whoever reads the tokens in it can release leases",
                          "chmod o-rwx " + file.path.string()});
    }
  }
  if (findings.empty()) {
    findings.push_back({Severity::ok, "permissions",
                        "this user can write to the folder" +
                            std::string{files.empty() ? ""
                                                      : " and the file, and not everybody can "
                                                        "read it"}});
  }
  return findings;
}

Finding judge_journal(const std::string& mode) {
  if (mode == "wal") return {Severity::ok, "journal mode", "wal"};
  return {Severity::warning, "journal mode",
          mode +
              ", not wal, as this library sets it: another program changed it. The next process "
              "that connects, doctor too, sets it again",
          "PRAGMA journal_mode = WAL; no other program should write to the file"};
}

Finding judge_check(const std::string& answer) {
  if (answer == "ok") return {Severity::ok, "data", "the file is whole (PRAGMA quick_check)"};
  return {
      Severity::error, "data", "the file is damaged: " + answer,
      "end all processes that use it, then put back a good copy, or remove it together with its "
      "-wal and -shm"};
}

Finding judge_boot(const Boot& file, const Boot& here) {
  if (file.boot_id == here.boot_id) {
    return {Severity::ok, "boot", "written since this machine started, boot ID " + here.boot_id};
  }
  if (file.machine_id != here.machine_id) {
    return {Severity::error, "boot",
            "written by another machine, " + file.machine_id + "; this one is " + here.machine_id,
            "--store with a file of this machine's own; for several machines a redis:// server"};
  }
  return {Severity::note, "boot",
          "last written before this machine started: every lease in it has ended, and the next use "
          "frees their IDs (doctor's too)"};
}

}  // namespace workerid::cli
