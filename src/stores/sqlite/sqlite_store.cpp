// SPDX-License-Identifier: MIT
#include "cancellation.hpp"
#include "checks.hpp"
#include "lease_file.hpp"

#include <workerid/sqlite_store.hpp>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <span>
#include <utility>
#include <variant>
#include <vector>

namespace workerid {

namespace {

using detail::sqlite::Access;
using detail::sqlite::LeaseFile;
using detail::sqlite::Records;
using detail::sqlite::Transaction;
using std::chrono::milliseconds;

// One thread at a time, the others wait until their deadline. (std::timed_mutex is the same, but
// the ThreadSanitizer of g++ 12 does not see its timed waits.)
class TimedLock {
 public:
  bool try_lock() {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    return lock.owns_lock() && !std::exchange(taken_, true);
  }

  bool try_lock_until(BootTime deadline) {
    std::unique_lock lock(mutex_);
    if (!free_.wait_until(lock, deadline, [this] { return !taken_; })) return false;
    taken_ = true;
    return true;
  }

  void unlock() {
    {
      const std::lock_guard lock(mutex_);
      taken_ = false;
    }
    free_.notify_one();
  }

 private:
  std::mutex mutex_;
  std::condition_variable free_;
  bool taken_ = false;
};

// A store's connection, which its threads share.
struct SharedFile {
  detail::ForkGuard guard;
  TimedLock lock;
  std::unique_ptr<LeaseFile> file;  // none before the first operation, or if it could not be opened
  std::optional<milliseconds> former_use;  // of a file that was deleted or replaced
  milliseconds last_use{};
};

// The connections of this process, and those that it inherited from its parent by fork(2). A child
// leaves the latter alone (G11) until it opens a store itself: SQLite would take the locks of the
// parent, which it still remembers, for the child's, and the child's grants would be lost as soon as
// the parent ends. Closing them forgets that, and touches nothing of the parent's.
class Connections {
 public:
  static Connections& of_process() {
    static auto& connections = *new Connections;  // outlives all stores
    return connections;
  }

  std::shared_ptr<SharedFile> add() {
    const std::lock_guard lock(mutex_);
    return files_.emplace_back(std::make_shared<SharedFile>());
  }

  void remove(const std::shared_ptr<SharedFile>& file) {
    const std::lock_guard lock(mutex_);
    std::erase(files_, file);
  }

  void close_inherited() {
    const std::lock_guard lock(mutex_);
    const auto inherited = [](const auto& shared) { return shared->guard.forked(); };
    for (const auto& shared : files_) {
      if (!inherited(shared)) continue;
      if (!shared->lock.try_lock()) {
        throw Error(ErrorCode::invalid_argument,
                    "this process was made by fork() while another thread was using a SQLite "
                    "store; let it start a program by exec() before it opens one");
      }
      if (shared->file) shared->file->database().close_without_writing();
      shared->file.reset();
    }
    std::erase_if(files_, inherited);
  }

 private:
  std::mutex mutex_;
  std::vector<std::shared_ptr<SharedFile>> files_;
};

// Renewals in one transaction: so many that the commit, which waits for the disk, weighs little, and
// so few that other processes get their turn.
constexpr std::size_t most_at_once = 512;

BootTime deadline_after(milliseconds timeout) {
  constexpr milliseconds longest = std::chrono::hours{24};
  return BootClock::now() + std::min(timeout, longest);
}

// One transaction of a store; undone unless it was committed.
class Operation {
 public:
  Operation(SharedFile& shared, const std::filesystem::path& path, const std::string& name,
            const Clock& clock, Access access, BootTime deadline)
      : turn_(shared.lock, deadline), clock_(clock) {
    if (!turn_.owns_lock()) {
      throw Error(ErrorCode::unavailable,
                  name + ": other threads of this process used it until the deadline");
    }
    std::unique_ptr<LeaseFile>& file = shared.file;
    // A holder must not renew in a file that was deleted or replaced: in the new one it learns that
    // it is unknown, and registers anew (G7).
    if (file && !file->current()) {
      file->check_replacement();
      if (file->lost()) shared.former_use = shared.last_use;
      file->database().close_without_writing();
      file.reset();
    }
    if (file && !file->database().ready()) file.reset();
    if (!file) {
      file = std::make_unique<LeaseFile>(path, name, deadline, time().now, shared.former_use);
      shared.former_use.reset();
    }
    shared.last_use = time().now;
    file_ = file.get();
    file_->database().set_deadline(deadline);
    transaction_.emplace(file_->database(), access);
    file_->check_machine();
    file_->check_current();
  }

  Records& records() const noexcept { return file_->records(); }

  // Read inside the transaction: no other write comes between it and the decision.
  rules::StoreTime time() const {
    const Moment now = clock_.now();
    return {std::chrono::floor<milliseconds>(now.boot.time_since_epoch()), now.wall, true};
  }

  rules::History history() const { return file_->history(time().now); }

  void commit() { transaction_->commit(); }

  // Writes what was decided of `cluster`, as it was read and of which `former` is the record, and
  // answers it.
  Grant write(const std::string& name, const std::optional<rules::Cluster>& cluster,
              const std::optional<rules::Record>& former, const rules::Decision& decision) {
    save(name, cluster, former, decision);
    commit();
    return decision.answer();
  }

  // Decides and writes, without a commit. A refusal is an answer; the file's failure is thrown.
  RenewAnswer renew(const RenewRequest& request) {
    const auto cluster = records().cluster(request.cluster);
    const auto record = records().find(request.cluster, request.worker_id);
    const rules::StoreTime now = time();
    const rules::History past = history();
    const auto decided = [&]() -> std::variant<rules::Decision, Error> {
      try {
        return rules::renew(cluster, request, record, now, past);
      } catch (const Error& refusal) {
        return refusal;
      }
    }();
    if (const auto* refusal = std::get_if<Error>(&decided)) return *refusal;
    const auto& decision = std::get<rules::Decision>(decided);
    save(request.cluster, cluster, record, decision);
    if (decision.refusal) return *decision.refusal;
    return decision.answer();
  }

  void save(const std::string& name, const std::optional<rules::Cluster>& cluster,
            const std::optional<rules::Record>& former, const rules::Decision& decision) {
    if (decision.cluster != cluster) records().save(name, decision.cluster);
    if (decision.record) records().save(name, *decision.record, former);
  }

 private:
  std::unique_lock<TimedLock> turn_;
  const Clock& clock_;
  LeaseFile* file_ = nullptr;
  std::optional<Transaction> transaction_;
};

class SqliteStore final : public Store {
 public:
  SqliteStore(std::filesystem::path path, std::shared_ptr<Clock> clock)
      : path_(std::move(path)), clock_(std::move(clock)) {}

  ~SqliteStore() override {
    const detail::CancellationHeldOff held_off;  // SQLite is no C++: nothing may unwind through it
    if (!forked()) Connections::of_process().remove(shared_);  // G11
    shared_.reset();
  }

  std::string description() const override { return "sqlite:" + path_.string(); }

  void open(milliseconds timeout) const { begin(Access::read, timeout); }

 private:
  Grant do_acquire(const AcquireRequest& request, milliseconds timeout) override {
    Operation operation = begin(Access::write, timeout);
    Records& records = operation.records();
    const auto cluster = records.cluster(request.cluster);
    const rules::Candidates candidates = records.candidates(request, cluster);
    const rules::Decision decision =
        rules::acquire(cluster, request, candidates, operation.time(), operation.history());
    return operation.write(request.cluster, cluster, granted_of(candidates, decision), decision);
  }

  Grant do_renew(const RenewRequest& request, milliseconds timeout) override {
    const RenewAnswer answer = renew_together({&request, 1}, deadline_after(timeout)).front();
    if (const auto* error = std::get_if<Error>(&answer)) throw *error;
    return std::get<Grant>(answer);
  }

  std::vector<RenewAnswer> do_renew_all(std::span<const RenewRequest> requests,
                                        milliseconds timeout) override {
    const BootTime deadline = deadline_after(timeout);
    std::vector<RenewAnswer> answers;
    while (answers.size() < requests.size()) {
      const auto coming = requests.subspan(answers.size());
      for (RenewAnswer& answer :
           renew_together(coming.first(std::min(coming.size(), most_at_once)), deadline)) {
        answers.push_back(std::move(answer));
      }
    }
    return answers;
  }

  // In one transaction. Where the file fails for one of them, each goes by itself.
  std::vector<RenewAnswer> renew_together(std::span<const RenewRequest> requests,
                                          BootTime deadline) {
    std::vector<RenewAnswer> answers;
    try {
      Operation operation = begin(Access::write, deadline);
      if (renew_in(operation, requests, answers)) {
        operation.commit();
        return answers;
      }
    } catch (const Error& error) {
      return std::vector<RenewAnswer>(requests.size(), error);
    }
    answers.clear();
    for (std::size_t index = 0; index < requests.size(); ++index) {
      answers.push_back(renew_together(requests.subspan(index, 1), deadline).front());
    }
    return answers;
  }

  // False if one of several could not be read or written: nothing of the transaction may stay.
  static bool renew_in(Operation& operation, std::span<const RenewRequest> requests,
                       std::vector<RenewAnswer>& answers) {
    for (const RenewRequest& request : requests) {
      try {
        answers.push_back(operation.renew(request));
      } catch (const Error&) {
        if (requests.size() == 1) throw;
        return false;
      }
    }
    return true;
  }

  Grant do_restore(const RestoreRequest& request, milliseconds timeout) override {
    Operation operation = begin(Access::write, timeout);
    Records& records = operation.records();
    const auto cluster = records.cluster(request.cluster);
    const auto record = records.find(request.cluster, request.grant.worker_id);
    return operation.write(
        request.cluster, cluster, record,
        rules::restore(cluster, request, record, operation.time(), operation.history()));
  }

  void do_release(const ReleaseRequest& request, milliseconds timeout) override {
    Operation operation = begin(Access::write, timeout);
    Records& records = operation.records();
    const auto record = records.find(request.cluster, request.worker_id);
    const auto released =
        rules::release(records.cluster(request.cluster), request, record, operation.time());
    if (!released) return;
    records.save(request.cluster, *released, record);
    operation.commit();
  }

  // What was read of the record that was decided about; nothing if it is new.
  static std::optional<rules::Record> granted_of(const rules::Candidates& candidates,
                                                 const rules::Decision& decision) {
    if (!decision.record) return std::nullopt;
    for (const auto* candidate :
         {&candidates.same_token, &candidates.same_instance, &candidates.longest_free}) {
      if (*candidate && (*candidate)->worker_id == decision.record->worker_id) return *candidate;
    }
    return std::nullopt;
  }

  std::optional<ClusterView> do_inspect(const std::string& cluster, milliseconds timeout) override {
    const Operation operation = begin(Access::read, timeout);
    const auto stored = operation.records().cluster(cluster);
    if (!stored) return std::nullopt;
    const rules::StoreTime now = operation.time();
    ClusterView view = rules::view(*stored, now);
    for (const rules::Record& record : operation.records().all(cluster)) {
      view.leases.push_back(rules::view(record, now));
    }
    return view;
  }

  std::optional<LeaseView> do_former_lease(const std::string& cluster, const std::string& instance,
                                           milliseconds timeout) override {
    const Operation operation = begin(Access::read, timeout);
    const auto record = operation.records().of_instance(cluster, instance);
    return record ? std::optional{rules::view(*record, operation.time())} : std::nullopt;
  }

  std::vector<std::string> do_clusters(milliseconds timeout) override {
    return begin(Access::read, timeout).records().names();
  }

  Configuration do_resize(const ResizeRequest& request, milliseconds timeout) override {
    Operation operation = begin(Access::write, timeout);
    Records& records = operation.records();
    const auto cluster = records.cluster(request.cluster);
    const rules::Cluster resized = rules::resize(cluster, request);
    if (resized != cluster) {
      records.save(request.cluster, resized);
      operation.commit();
    }
    return resized.configuration;
  }

  milliseconds do_evict(const EvictRequest& request, milliseconds timeout) override {
    Operation operation = begin(Access::write, timeout);
    Records& records = operation.records();
    const auto record = records.find(request.cluster, request.worker_id);
    const rules::StoreTime now = operation.time();
    const rules::Record evicted =
        rules::evict(records.cluster(request.cluster), request, record, now);
    if (evicted != record) {
      records.save(request.cluster, evicted, record);
      operation.commit();
    }
    return evicted.free_at - now.now;
  }

  Guarantee do_guarantee(milliseconds timeout) override {
    begin(Access::read, timeout);
    Guarantee guarantee{
        GuaranteeLevel::exact,
        GuaranteeLevel::conditional,
        {"All processes share one boot clock and one file, and every commit is on the disk before "
         "it is answered.",
         "Do not overwrite the file in place with an older copy: replace it (mv), which is "
         "noticed.",
         "After the file was deleted, timestamps stay unique as long as the wall clock was not set "
         "back before."}};
    if (!detail::sqlite::sees_all_processes()) {
      guarantee.exclusivity = GuaranteeLevel::conditional;
      guarantee.reasons.emplace_back(
          "This process sees only those of its own PID namespace, as in a container: do not delete "
          "the file while leases run, for a newcomer would not notice.");
    }
    return guarantee;
  }

  Operation begin(Access access, milliseconds timeout) const {
    return begin(access, deadline_after(timeout));
  }

  Operation begin(Access access, BootTime deadline) const {
    if (BootClock::now() >= deadline) {
      throw Error(ErrorCode::unavailable, description() + ": the time was over before the request");
    }
    return {*shared_, path_, description(), *clock_, access, deadline};
  }

  std::filesystem::path path_;
  std::shared_ptr<Clock> clock_;
  std::shared_ptr<SharedFile> shared_ = Connections::of_process().add();
};

void check_path(const std::filesystem::path& path) {
  // SQLite's own limit for a path, less the "-journal" that it may append.
  constexpr std::size_t longest = 512 - 8;
  detail::check_text("the SQLite store's path", path.native(), longest);
  if (!path.has_filename()) {
    detail::refuse("the SQLite store's path \"" + path.native() + "\" names no file");
  }
}

}  // namespace

std::shared_ptr<Store> open_sqlite_store(const std::filesystem::path& path,
                                         std::shared_ptr<Clock> clock) {
  const detail::CancellationHeldOff held_off;
  check_path(path);
  const std::filesystem::path whole = detail::without_links(path);
  check_path(whole);
  Connections::of_process().close_inherited();
  const auto store = std::make_shared<SqliteStore>(whole, std::move(clock));
  store->open(std::chrono::seconds{5});
  return store;
}

}  // namespace workerid
