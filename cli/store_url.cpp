// SPDX-License-Identifier: MIT
#include "store_url.hpp"

#include "values.hpp"

#if WORKERID_HAVE_REDIS
#include <workerid/redis_store.hpp>
#endif
#if WORKERID_HAVE_SQLITE
#include <workerid/sqlite_store.hpp>
#endif

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>

namespace workerid::cli {

namespace {

std::shared_ptr<Store> open_sqlite(const std::filesystem::path& path) {
#if WORKERID_HAVE_SQLITE
  return open_sqlite_store(path);
#else
  throw UsageError("--store: this build of workerid has no SQLite store, which " + path.string() +
                   " needs; use a redis:// URL, or a build with SQLite");
#endif
}

std::shared_ptr<Store> open_redis(const std::string& url, const std::string& scheme) {
#if WORKERID_HAVE_REDIS
  static_cast<void>(scheme);
  return open_redis_store(url);
#else
  static_cast<void>(url);  // it may contain a password
  throw UsageError("--store: this build of workerid has no Redis store, which " + scheme +
                   ": needs; use sqlite:PATH, or a build with Redis");
#endif
}

// The directory that the XDG Base Directory Specification gives to state; a relative path there is
// invalid and ignored, as it demands.
std::filesystem::path state_directory() {
  const char* const state = std::getenv("XDG_STATE_HOME");
  if (state != nullptr && *state == '/') return state;
  const char* const home = std::getenv("HOME");
  if (home != nullptr && *home == '/') return std::filesystem::path{home} / ".local/state";
  throw UsageError(
      "no --store is given, and the default one has no place: neither XDG_STATE_HOME "
      "nor HOME names a directory; use --store or WORKERID_STORE");
}

// What came along with it, such as the line feed of a file that it was read from, would name another
// store. It is not shown: it may have a password in it.
void check_characters(const std::string& url) {
  const bool control = std::any_of(url.begin(), url.end(), [](char character) {
    return static_cast<unsigned char>(character) < 0x20 || character == 0x7f;
  });
  if (control) {
    throw UsageError("--store: it has a control character in it, such as a line feed; remove that");
  }
  if (url.front() == ' ' || url.back() == ' ') {
    throw UsageError("--store: it begins or ends with a blank; remove that");
  }
}

bool is_path(const std::string& url) {
  constexpr std::array beginnings{"/", "./", "../"};
  return std::any_of(beginnings.begin(), beginnings.end(),
                     [&](const char* beginning) { return url.rfind(beginning, 0) == 0; });
}

std::string checked_path(const std::string& path) {
  if (path.empty()) throw UsageError("--store: sqlite: has no path; write sqlite:PATH");
  if (path.front() == ' ') throw UsageError("--store: the path begins with a blank; remove that");
  if (path.rfind("//", 0) == 0) {
    throw UsageError(
        "--store: sqlite: is no URL with //, whose next word would be a host; write "
        "sqlite:/FOLDER/NAME or sqlite:./NAME");
  }
  return path;
}

}  // namespace

StoreAddress parse_store_url(const std::optional<std::string>& url) {
  using Kind = StoreAddress::Kind;
  if (!url) return {Kind::sqlite, state_directory() / "workerid" / "workerid.db"};

  if (url->empty()) throw UsageError("--store: it is empty; name a store");
  check_characters(*url);
  if (is_path(*url)) return {Kind::sqlite, *url};

  // A ':' before any '/' ends a scheme. A mistyped URL never becomes a file's name.
  const std::size_t mark = url->find_first_of(":/");
  if (mark == std::string::npos || url->at(mark) == '/') {
    const bool word = mark == std::string::npos;
    throw UsageError("--store: \"" + url->substr(0, mark) + (word ? "" : "/…") +
                     "\" is neither a URL nor a path that begins with /, ./ or ../; write ./" +
                     (word ? *url : "PATH") + " for a file, redis://HOST for a server");
  }

  const std::string scheme = url->substr(0, mark);
  if (scheme == "sqlite") return {Kind::sqlite, checked_path(url->substr(mark + 1))};
  constexpr std::array redis_schemes{"redis",           "rediss",        "redis+sentinel", "unix",
                                     "rediss+sentinel", "redis+cluster", "rediss+cluster"};
  if (std::find(redis_schemes.begin(), redis_schemes.end(), scheme) != redis_schemes.end()) {
    return {Kind::redis, *url};
  }
  throw UsageError("--store: \"" + scheme +
                   ":\" is no known kind of store; use sqlite:PATH, "
                   "redis://HOST, rediss://HOST, redis+sentinel://HOSTS/SERVICE, "
                   "redis+cluster://HOSTS or unix:///SOCKET");
}

std::shared_ptr<Store> open_store(const std::optional<std::string>& url) {
  const auto [kind, place] = parse_store_url(url);
  if (kind == StoreAddress::Kind::sqlite) return open_sqlite(place);
  return open_redis(place, place.substr(0, place.find(':')));
}

}  // namespace workerid::cli
