// SPDX-License-Identifier: MIT
#include "identity.hpp"

#include "cancellation.hpp"
#include "file_place.hpp"
#include "host_boot.hpp"
#include "system_error.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <fcntl.h>
#include <optional>
#include <sstream>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace workerid::detail {

namespace {

constexpr std::string_view first_heading = "workerid identity 1\n";
constexpr std::string_view heading = "workerid identity 2\n";

// One sector: what stands in it is written as a whole, or nearly.
constexpr std::size_t text_size = 512;
constexpr std::size_t most_size = 2 * text_size;

std::optional<Token> token_in(std::string_view text) {
  try {
    return Token::parse(text);
  } catch (const Error&) {
    return std::nullopt;
  }
}

// FNV-1a: it is to see a torn write, not an attack.
std::string checksum(std::string_view text) {
  std::uint64_t sum = 0xcbf29ce484222325U;
  for (const char character : text) {
    sum = (sum ^ static_cast<unsigned char>(character)) * 0x100000001b3U;
  }
  std::array<char, 17> digits{};
  std::snprintf(digits.data(), digits.size(), "%016llx", static_cast<unsigned long long>(sum));
  return digits.data();
}

// What follows `key` on a line of its own, or nothing.
std::string value_of(const std::string& line, std::string_view key) {
  return line.size() > key.size() && line.compare(0, key.size(), key) == 0 &&
                 line[key.size()] == ' '
             ? line.substr(key.size() + 1)
             : std::string{};
}

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& what, int error) {
  if (error == ELOOP) {
    throw Error(ErrorCode::denied, "identity file " + path.string() +
                                       ": it is a symbolic link; name the file that it leads to");
  }
  throw Error(code_of_system_error(error, ErrorCode::invalid_argument),
              "identity file " + path.string() + ": " + what + ": " + system_text(error));
}

}  // namespace

std::string IdentityText::text() const {
  std::string text{heading};
  text += "name " + name + "\nplace " + place + "\n";
  for (const Token& token : tokens) text += "token " + token.text() + "\n";
  text += "sum " + checksum(text) + "\n";
  text.resize(std::max(text.size(), text_size), '\n');
  return text;
}

IdentityText IdentityText::parse(std::string_view text) {
  IdentityText identity;
  // One that was made just before a loss of power may be of its beginning and zeros alone.
  const std::string_view begun = text.substr(0, text.find_last_not_of('\0') + 1);
  const bool fits = text.size() <= most_size;
  if (fits && begun.size() < heading.size() && heading.substr(0, begun.size()) == begun) {
    return identity;
  }
  const bool former = text.substr(0, first_heading.size()) == first_heading;
  std::istringstream lines{std::string{text.substr(std::min(text.size(), heading.size()))}};
  std::string line;
  std::getline(lines, line);
  const std::string name = former ? line : value_of(line, "name");
  if (token_in(name)) identity.name = name;
  if (!fits || (former ? identity.name.empty() : text.substr(0, heading.size()) != heading)) {
    throw Error(ErrorCode::corrupt_record,
                "it is not one; name another path, or delete it if it is not needed");
  }
  if (former) return identity;

  const std::size_t sum_at = text.find("\nsum ");
  if (sum_at == std::string_view::npos) return identity;
  const std::string_view summed = text.substr(0, sum_at + 1);
  if (text.substr(sum_at + 5, 16) != checksum(summed)) return identity;
  while (std::getline(lines, line)) {
    if (const std::string place = value_of(line, "place"); !place.empty()) identity.place = place;
    const auto token = token_in(value_of(line, "token"));
    if (token && identity.tokens.size() < Takeover::most_tokens) identity.tokens.push_back(*token);
  }
  return identity;
}

Identity::Identity(std::filesystem::path path) : path_(std::move(path)) {}

Identity::~Identity() {
  close();
}

void Identity::close() noexcept {
  const CancellationHeldOff held_off;
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

bool Identity::lock() {
  if (!name_.empty()) return true;
  try {
    return open_and_lock();
  } catch (...) {
    close();
    throw;
  }
}

namespace {

// Its mode is the same whatever the umask: else the next one could not open it. A symbolic link in its
// place is not followed: whoever planted it would choose what is made, or written to.
int open_file(const std::filesystem::path& path) {
  constexpr mode_t owner_only = 0600;
  constexpr int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY;
  for (;;) {
    const int made = ::open(path.c_str(), flags | O_CREAT | O_EXCL, owner_only);
    if (made >= 0) ::fchmod(made, owner_only);
    if (made >= 0 || errno != EEXIST) return made;
    const int found = ::open(path.c_str(), flags);
    if (found >= 0 || errno != ENOENT) return found;  // else it was deleted meanwhile
  }
}

}  // namespace

bool Identity::open_and_lock() {
  check_place(path_.has_parent_path() ? path_.parent_path() : ".");
  for (;;) {
    descriptor_ = open_file(path_);
    if (descriptor_ < 0) fail(path_, "it cannot be opened", errno);
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0 && still_at_path()) {
      check_place(path_);
      read();
      return true;
    }
    const int error = errno;
    close();
    if (error == EWOULDBLOCK) return false;
    if (error != 0 && error != EINTR && error != ENOENT) fail(path_, "it cannot be locked", error);
  }
}

// Between open and flock the file may have been deleted and made anew by another process.
bool Identity::still_at_path() const {
  struct stat opened {};
  struct stat present {};
  errno = 0;
  return ::fstat(descriptor_, &opened) == 0 && ::stat(path_.c_str(), &present) == 0 &&
         opened.st_ino == present.st_ino && opened.st_dev == present.st_dev;
}

void Identity::read() {
  std::array<char, most_size + 1> buffer{};
  const ssize_t length = ::pread(descriptor_, buffer.data(), buffer.size(), 0);
  if (length < 0) fail(path_, "it cannot be read", errno);
  IdentityText found;
  try {
    found = IdentityText::parse({buffer.data(), static_cast<std::size_t>(length)});
  } catch (const Error& error) {
    throw Error(error.error_code(), "identity file " + path_.string() + ": " + error.what());
  }
  const auto file = identity_of(descriptor_);
  if (!file) fail(path_, "its status cannot be read", errno);
  if (!boot_clock_name().empty()) {
    place_ = boot_clock_name() + " " + std::to_string(file->device) + " " +
             std::to_string(file->inode) + " " + std::to_string(file->birth_ns);
  }
  // Elsewhere the process that wrote the tokens may live: a machine that this disk was copied from.
  if (!place_.empty() && found.place == place_) tokens_ = FormerTokens{std::move(found.tokens)};
  name_ = found.name.empty() ? Token::random().text() : std::move(found.name);
}

std::vector<Token> Identity::add(const Token& token) {
  std::vector<Token> former = tokens_.add(token);
  const std::string text = IdentityText{name_, place_, tokens_.all()}.text();
  errno = EIO;  // for a write that wrote only a part
  if (::pwrite(descriptor_, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    fail(path_, "it cannot be written", errno);
  }
  return former;
}

}  // namespace workerid::detail
