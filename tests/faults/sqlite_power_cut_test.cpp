// SPDX-License-Identifier: MIT
//
// What the SQLite store answered is on the disk. SQLite calls this program's fdatasync(2) and
// fsync(2), so a test knows what a power cut would leave.
#include "support/sqlite_store_test.hpp"

#include <array>
#include <fcntl.h>
#include <functional>
#include <map>
#include <string>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

namespace workerid::tests {
namespace {

using namespace std::chrono_literals;

// Keeps of a database and its log what was synced last; anything else is lost in a power cut.
class Disk {
 public:
  explicit Disk(const std::filesystem::path& database)
      : database_(std::filesystem::weakly_canonical(database)) {
    present = this;
  }
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;
  ~Disk() { present = nullptr; }

  static int sync(int descriptor, long call) {
    if (present == nullptr) return static_cast<int>(::syscall(call, descriptor));
    present->keep(descriptor);
    return 0;
  }

  // Of the file with this end.
  int syncs(const std::string& suffix) const {
    const auto found = syncs_.find(suffix);
    return found == syncs_.end() ? 0 : found->second;
  }

  // What `sql` reads after a power cut at this moment.
  std::string run(const std::string& sql) const {
    const TemporaryDirectory directory;
    const std::filesystem::path copy = directory.path() / "left.db";
    for (const auto& [suffix, content] : synced_) {
      const std::string path = copy.string() + suffix;
      const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
      EXPECT_EQ(::write(file, content.data(), content.size()),
                static_cast<ssize_t>(content.size()));
      ::close(file);
    }
    return SqliteFile(copy).run(sql);
  }

 private:
  void keep(int descriptor) {
    const std::string path =
        std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(descriptor));
    for (const char* const suffix : {"", "-wal"}) {
      if (path != database_ + suffix) continue;
      synced_[suffix] = content_of(descriptor);
      ++syncs_[suffix];
    }
  }

  // Not through a descriptor of its own: closing that would end SQLite's locks.
  static std::string content_of(int descriptor) {
    std::string content;
    std::array<char, 65536> buffer{};
    for (;;) {
      const ssize_t count =
          ::pread(descriptor, buffer.data(), buffer.size(), static_cast<off_t>(content.size()));
      if (count <= 0) return content;
      content.append(buffer.data(), static_cast<std::size_t>(count));
    }
  }

  static inline Disk* present = nullptr;

  std::string database_;
  std::map<std::string, std::string> synced_;
  std::map<std::string, int> syncs_;
};

class SqlitePowerCut : public SqliteStoreTest {
 protected:
  static constexpr const char* everything =
      "SELECT * FROM machine; SELECT * FROM clusters ORDER BY cluster;"
      "SELECT * FROM records ORDER BY cluster, worker_id;"
      "SELECT * FROM instances ORDER BY cluster, instance";

  SqlitePowerCut() { clock = manual; }

  // Of each operation, which has to write something.
  void expect_durable(const std::string& name, const std::function<void()>& operation) {
    manual->advance(10ms);
    const int before = disk.syncs("-wal");
    const std::string former = run(everything);
    operation();
    EXPECT_GT(disk.syncs("-wal"), before) << name;
    const std::string left = disk.run(everything);
    EXPECT_EQ(left, run(everything)) << name;
    EXPECT_NE(left, former) << name;
  }

  const std::shared_ptr<testing::ManualClock> manual = std::make_shared<testing::ManualClock>();
  Disk disk{path};
};

TEST_F(SqlitePowerCut, LosesNothingThatWasAnswered) {
  std::shared_ptr<Store> store = open();
  EXPECT_EQ(disk.run(everything), run(everything));
  AcquireRequest mine = request();
  mine.instance = "web-0";
  Grant grant;
  expect_durable("acquire", [&] { grant = store->acquire(mine, timeout); });
  expect_durable("acquire again", [&] { store->acquire(mine, timeout); });
  for (const Renewal renewal : {Renewal::held, Renewal::strict, Renewal::resume}) {
    expect_durable("renew", [&] { grant = renew(*store, grant.worker_id, mine.token, renewal); });
  }
  AcquireRequest theirs = request();
  theirs.instance = "web-1";
  const Grant other = store->acquire(theirs, timeout);
  expect_durable("renew all", [&] {
    const std::vector<RenewRequest> requests{
        {"c", grant.worker_id, mine.token, Renewal::held, {}},
        {"c", other.worker_id, theirs.token, Renewal::held, {}}};
    store->renew_all(requests, timeout);
  });
  expect_durable("restore", [&] { restore(*store, mine, grant); });
  expect_durable("resize", [&] { store->resize({"c", 1, 2000, {}}, timeout); });
  configuration.max_worker_id = 2000;
  expect_durable("evict", [&] { store->evict({"c", other.worker_id, other.epoch, {}}, timeout); });
  expect_durable("take over", [&] {
    AcquireRequest next = request();
    next.instance = mine.instance;
    next.takeover.tokens = {mine.token};
    store->acquire(next, timeout);
    mine = next;
  });
  expect_durable("release", [&] { release(*store, grant.worker_id, mine.token); });
}

// SQLite moves the log into the file and begins it anew.
TEST_F(SqlitePowerCut, LosesNothingWhenTheLogIsMovedIntoTheFile) {
  std::shared_ptr<Store> store = open();
  const AcquireRequest mine = request();
  const Grant grant = store->acquire(mine, timeout);
  const auto renew_durably = [&] {
    expect_durable("renew", [&] { renew(*store, grant.worker_id, mine.token, Renewal::held); });
  };
  constexpr int enough = 3000;  // SQLite does it at a thousand pages
  const int before = disk.syncs("");
  for (int count = 0; count < enough && disk.syncs("") == before; ++count) {
    renew_durably();
    ASSERT_FALSE(HasFailure());
  }
  EXPECT_GT(disk.syncs(""), before);
  renew_durably();
  store.reset();
  EXPECT_FALSE(std::filesystem::exists(path.string() + "-wal"));
  store = open();
  renew_durably();
}

}  // namespace
}  // namespace workerid::tests

extern "C" int fdatasync(int descriptor) {
  return workerid::tests::Disk::sync(descriptor, SYS_fdatasync);
}

extern "C" int fsync(int descriptor) {
  return workerid::tests::Disk::sync(descriptor, SYS_fsync);
}
