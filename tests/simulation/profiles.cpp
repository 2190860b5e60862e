// SPDX-License-Identifier: MIT
#include "profiles.hpp"

#include "random.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace simulation {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const std::vector<What> of_network{What::cut, What::cut_requests, What::cut_replies};
const std::vector<What> of_wall_store{What::store_step, What::store_rate};

std::vector<What> operator+(std::vector<What> left, const std::vector<What>& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

std::vector<Profile> make_profiles() {
  const std::vector<What> hosts =
      of_network + std::vector{What::wall_step, What::rate, What::suspend};
  const std::vector<What> stores{What::store_pause, What::store_slow, What::store_denies};
  std::vector<Profile> all;
  all.push_back({.name = "calm",
                 .store = StoreKind::server,
                 .calm = true,
                 .share = 1,
                 .purpose = "no faults: nobody may be suspended, warned or refused"});
  all.push_back({.name = "server",
                 .store = StoreKind::server,
                 .faults = hosts + stores + of_wall_store,
                 .share = 4,
                 .purpose = "a server that loses nothing; its wall clock steps"});
  all.push_back({.name = "redis",
                 .store = StoreKind::redis,
                 .faults = hosts + stores + of_wall_store +
                           std::vector{What::restart, What::restart, What::wipe},
                 .share = 6,
                 .purpose = "restarts without the last writes, or forgets everything"});
  all.push_back({.name = "replicated",
                 .store = StoreKind::redis,
                 .faults = hosts + stores + of_wall_store +
                           std::vector{What::fail_over, What::fail_over, What::restart},
                 .share = 4,
                 .purpose = "fails over to a replica that lags; the former master is dead"});
  all.push_back({.name = "holes",
                 .store = StoreKind::redis,
                 .faults = hosts,
                 .always = {What::lose_record},
                 .share = 1,
                 .purpose = "loses single records"});
  all.push_back({.name = "sqlite",
                 .store = StoreKind::sqlite,
                 .faults = stores + std::vector{What::wall_step, What::rate, What::suspend,
                                                What::file_deleted, What::restart},
                 .share = 3,
                 .purpose = "one host and its boot clock; the file is deleted or replaced"});
  all.push_back({.name = "memory",
                 .store = StoreKind::memory,
                 .faults = stores + std::vector{What::wall_step, What::rate, What::suspend},
                 .share = 1,
                 .purpose = "one host and its boot clock; nothing is lost"});
  all.push_back({.name = "checkpoint",
                 .store = StoreKind::server,
                 .faults = of_network + stores + of_wall_store + std::vector{What::rate},
                 .always = {What::checkpoint},
                 .rewinds = true,
                 .share = 2,
                 .purpose = "containers are stopped and continued with an old boot clock"});
  all.push_back({.name = "restored",
                 .store = StoreKind::server,
                 .faults = of_network + stores + of_wall_store + std::vector{What::rate},
                 .rewinds = true,
                 .share = 1,
                 .purpose = "the same, a lease time after its wall clock was set back"});
  all.push_back({.name = "machine_pause",
                 .store = StoreKind::server,
                 .faults = of_network + stores + of_wall_store,
                 .always = {What::hidden_pause},
                 .share = 1,
                 .purpose = "a machine is stopped, unseen by its clocks, for as long as is borne"});
  all.push_back(
      {.name = "witness",
       .store = StoreKind::redis,
       .faults = of_network,
       .always = {What::silent_return},
       .only_witness = true,
       .share = 1,
       .purpose = "the store goes back and does not show it: an epoch that was seen does"});

  all.push_back({.name = "takeovers",
                 .store = StoreKind::redis,
                 .faults = hosts + stores + std::vector{What::restart},
                 .names = true,
                 .stragglers = true,
                 .share = 2,
                 .purpose = "processes of one name follow each other, beside late messages"});
  all.push_back({.name = "losses",
                 .store = StoreKind::redis,
                 .faults = hosts + stores + of_wall_store + std::vector{What::wipe},
                 .always = {What::restart, What::fail_over},
                 .stragglers = true,
                 .share = 2,
                 .purpose = "one loss after another, beside late messages"});

  const std::vector<What> losses{What::restart, What::fail_over};
  all.push_back({.name = "twin_losses",
                 .store = StoreKind::redis,
                 .faults = of_network + stores + std::vector{What::wipe},
                 .always = losses,
                 .stragglers = true,
                 .twin_losses = true,
                 .share = 2,
                 .purpose = "a loss while holders still restore what another one lost"});
  all.push_back({.name = "explicit",
                 .store = StoreKind::redis,
                 .faults = hosts + stores,
                 .always = losses,
                 .stragglers = true,
                 .explicit_calls = true,
                 .share = 2,
                 .purpose = "everybody renews explicitly, across losses"});
  all.push_back(
      {.name = "disagreement",
       .store = StoreKind::redis,
       .faults = of_network + stores + std::vector{What::rate, What::store_rate, What::restart},
       .always = {What::wall_step, What::store_step},
       .stragglers = true,
       .disagreement = true,
       .share = 2,
       .purpose = "machines and a server that show different times, beside late messages"});

  const auto generating = [&](std::string_view name, StoreKind store, std::vector<What> more,
                              std::vector<What> always, std::string_view purpose) {
    all.push_back({.name = name,
                   .store = store,
                   .faults = hosts + stores + std::move(more),
                   .always = std::move(always),
                   .snowflakes = true,
                   .share = 0,
                   .purpose = purpose});
  };
  generating("snowflake", StoreKind::server, of_wall_store, {What::wall_step},
             "leases generate IDs; a server that loses nothing");
  generating("snowflake_loss", StoreKind::redis,
             of_wall_store + std::vector{What::restart, What::restart, What::wipe, What::fail_over},
             {What::wall_step}, "leases generate IDs; the store forgets");
  generating(
      "snowflake_clocks", StoreKind::server, of_wall_store,
      {What::wall_step, What::rate, What::stopped_boot, What::hidden_pause, What::store_stepping},
      "leases generate IDs; A2 and A3 are broken, which no ID may show");
  all.back().only_ids = true;

  const auto violating = [&](std::string_view name, StoreKind store, std::vector<What> always,
                             std::string_view purpose) {
    all.push_back({.name = name,
                   .store = store,
                   .faults = {What::cut, What::suspend},
                   .always = std::move(always),
                   .violates = true,
                   .share = 0,
                   .purpose = purpose});
  };
  violating("slow_client", StoreKind::server, {What::cut},
            "A2 broken: clients' clocks run slower than rho (F23)");
  violating("zombie", StoreKind::redis, {What::split},
            "A4 broken: a former master goes on acknowledging (F63)");
  violating("stepping_store", StoreKind::server, {What::store_stepping, What::cut},
            "A3 broken: the store's clock steps at each operation, just below the clamp (F58)");
  violating("hidden_pause", StoreKind::server, {What::hidden_pause},
            "A2 broken: a machine is stopped, unseen by its clocks, for too long (F26)");
  violating("monotonic_clock", StoreKind::server, {What::stopped_boot, What::wall_step},
            "A2 broken: a boot clock that stops in suspension, beside a stepped wall clock (F24)");
  return all;
}

// Of millionths, what a configuration bears: L + Q >= L (1 + rho) / (1 - rho) + L/4 + 2 ms.
std::int64_t borne_rho(const workerid::Configuration& configuration) {
  const std::int64_t lease = configuration.lease_time.count();
  const std::int64_t margin = configuration.reuse_delay.count() - lease / 4 - 2;
  return margin * HostClock::true_rate / (2 * lease + margin);
}

class Draw {
 public:
  Draw(std::uint64_t seed, const Profile& chosen) : random_(hash({seed, 6})), profile_(chosen) {
    schedule_.seed = seed;
    schedule_.profile = profile_.name;
    schedule_.store = profile_.store;
  }

  Schedule draw() {
    draw_times();
    draw_clocks();
    draw_seats();
    draw_work();
    if (profile_.names) draw_successors();
    draw_faults();
    if (!profile_.calm) draw_network();
    if (profile_.snowflakes) draw_snowflakes();
    auto& happenings = schedule_.happenings;
    std::stable_sort(
        happenings.begin(), happenings.end(),
        [](const Happening& left, const Happening& right) { return left.at < right.at; });
    return std::move(schedule_);
  }

 private:
  bool one_host() const {
    return schedule_.store == StoreKind::sqlite || schedule_.store == StoreKind::memory;
  }
  Time lease() const { return schedule_.configuration.lease_time; }
  Time kept() const { return lease() + schedule_.configuration.reuse_delay; }
  Time some_time() { return random_.between(Time{}, schedule_.heal_at); }

  // Times that matter, and others.
  Time duration() {
    const Time little =
        random_.between(milliseconds{1}, std::max<Time>(milliseconds{2}, lease() / 50));
    switch (random_.between(0, 6)) {
      case 0:
        return random_.between(milliseconds{1}, milliseconds{200});
      case 1:
        return random_.between(milliseconds{1}, lease() / 3);
      case 2:
        return lease() - little;
      case 3:
        return lease() + little;
      case 4:
        return kept() - little;
      case 5:
        return kept() + little;
      default:
        return random_.between(milliseconds{1}, 2 * kept());
    }
  }

  void draw_times() {
    auto& configuration = schedule_.configuration;
    configuration.lease_time = milliseconds{random_.pick({2'000, 5'000, 10'000, 60'000})};
    configuration.reuse_delay = configuration.lease_time / 2;
    if (!profile_.violates && profile_.name != "machine_pause" && random_.chance(500)) {
      const std::int64_t rho = random_.pick({1'100, 10'000, 50'000, 150'000});
      configuration.reuse_delay =
          configuration.lease_time / 4 + milliseconds{3 + 2 * configuration.lease_time.count() *
                                                              rho / (HostClock::true_rate - rho)};
    }
    schedule_.rho = profile_.name == "machine_pause" ? 1'000 : borne_rho(configuration);
    configuration.cool_down = milliseconds{random_.pick({0, 50, 1'000})};
    configuration.min_worker_id = random_.pick({0, 1, 500});
    configuration.max_worker_id = configuration.min_worker_id + random_.pick({0, 0, 0, 1, 2, 3});
    schedule_.heal_at = kept() * random_.between(5, 12);
    schedule_.end_at = schedule_.heal_at + (3 * kept() / 2 + lease()) * 5 / 4;
  }

  std::int64_t rate() {
    if (profile_.only_ids) return random_.pick({300'000, 900'000, 1'000'000, 1'500'000, 3'000'000});
    const std::int64_t rho = schedule_.rho;
    return HostClock::true_rate +
           random_.pick({-rho, -rho, rho, rho, std::int64_t{0}, random_.between(-rho, rho)});
  }

  HostClock::Line line(std::int64_t rate, Time lead) {
    constexpr Time year_2026 = seconds{1'780'000'000};
    return {{}, random_.between(Time{}, Time{seconds{100'000}}), year_2026 + lead, rate, rate};
  }

  void draw_clocks() {
    const std::int64_t hosts = one_host() ? 1 : random_.between(profile_.disagreement ? 2 : 1, 4);
    for (std::int64_t host = 0; host < hosts; ++host) {
      Time lead = random_.pick({Time{}, random_.between(-Time{seconds{2}}, Time{seconds{2}}),
                                random_.between(-Time{seconds{3600}}, Time{seconds{3600}})});
      if (profile_.disagreement) {
        lead += random_.pick({-lease(), -lease() / 4, lease() / 4, lease()});
      }
      std::int64_t its_rate = rate();
      if (profile_.name == "slow_client") its_rate = random_.between(500'000, 620'000);
      schedule_.hosts.push_back(line(its_rate, lead));
    }
    schedule_.server = line(rate(), {});
    schedule_.store_was_just_started = !profile_.calm && random_.chance(300);
  }

  void draw_seats() {
    const std::int64_t seats = profile_.violates ? random_.between(2, 4) : random_.between(1, 5);
    const bool same_name = random_.chance(200);
    for (std::int64_t seat = 0; seat < seats; ++seat) {
      Seat place;
      place.host = static_cast<int>(
          random_.between(0, static_cast<std::int64_t>(schedule_.hosts.size()) - 1));
      place.leases = random_.chance(250) ? 2 : 1;
      // Who counts for himself has no second witness of a boot clock that was rewound.
      place.explicit_calls = (random_.chance(250) || profile_.explicit_calls) && !profile_.rewinds;
      place.wait = milliseconds{
          random_.pick({std::int64_t{0}, lease().count() / 4'000'000, kept().count() / 250'000})};
      if (profile_.names || random_.chance(500)) {
        place.instance = same_name ? "same" : "name" + std::to_string(seat);
        place.identity = !same_name && random_.chance(600);
      }
      place.fresh = profile_.calm || random_.chance(300);
      draw_claims(place, static_cast<std::uint64_t>(seat), same_name);
      schedule_.seats.push_back(place);
    }
    if (profile_.calm) {  // Enough for everybody.
      schedule_.configuration.max_worker_id = schedule_.configuration.min_worker_id + 20;
      for (Seat& seat : schedule_.seats) {
        seat.explicit_calls = false;
        seat.wait = {};
      }
    }
    for (int seat = 0; seat < static_cast<int>(seats); ++seat) {
      add(random_.between(Time{}, lease() / 2), What::start, seat);
    }
    const bool loses_nothing =
        schedule_.store == StoreKind::server || schedule_.store == StoreKind::memory;
    if (loses_nothing && !profile_.calm && random_.chance(150)) {
      schedule_.seats.push_back({.other_configuration = true});
      add(schedule_.heal_at / 2, What::start, static_cast<int>(schedule_.seats.size()) - 1);
    }
  }

  // One process after another, soon after a release or in the place of one that crashed.
  void draw_successors() {
    for (int seat = 0; seat < static_cast<int>(schedule_.seats.size()); ++seat) {
      const Seat& place = schedule_.seats[static_cast<std::size_t>(seat)];
      for (std::int64_t time = random_.between(2, 8); time > 0; --time) {
        const Time at = some_time();
        const bool released = random_.chance(500);
        if (released) add(at, What::release, seat, {}, random_.between(0, place.leases - 1));
        if (released && at.count() % 2 == 0) continue;  // Else the release is still under way.
        add(at, What::crash, seat);
        add(at + random_.pick({Time{1}, random_.between(Time{1}, lease() / 8)}), What::start, seat);
      }
    }
  }

  // Each from a number of its own, so that the worlds of a seed stay what they were.
  void draw_claims(Seat& place, std::uint64_t seat, bool same_name) const {
    const auto chance = [&](std::uint64_t number) {
      return hash({schedule_.seed, seat, number}) % 2 == 0;
    };
    if (place.instance.empty()) {
      place.script = place.explicit_calls && chance(10);
    } else if (same_name) {
      place.identity = chance(11);  // a file of its own, which was copied with its name
    } else if (!place.identity) {
      place.takeover = chance(12);
      place.script = place.explicit_calls && !place.takeover && chance(10);
    }
  }

  void add(Time at, What what, int target, Time amount = {}, std::int64_t extra = 0) {
    schedule_.happenings.push_back({at, what, target, amount, extra});
  }

  // What processes and their users do.
  void draw_work() {
    const bool crashes = random_.chance(500);
    const bool pauses = random_.chance(500);
    const bool releases = random_.chance(400);
    const bool abandons = random_.chance(200);
    const bool works = random_.chance(500);
    for (int seat = 0; seat < static_cast<int>(schedule_.seats.size()); ++seat) {
      const std::int64_t last_slot = schedule_.seats[static_cast<std::size_t>(seat)].leases - 1;
      for (std::int64_t time = random_.between(0, 3); works && time > 0; --time) {
        add(some_time(), What::work, seat, duration(), random_.between(0, last_slot));
      }
      for (std::int64_t time = random_.between(0, 4); releases && time > 0; --time) {
        add(some_time(), What::release, seat, {}, random_.between(0, last_slot));
      }
      if (profile_.calm) continue;
      for (std::int64_t time = random_.between(0, 3); crashes && time > 0; --time) {
        const Time at = some_time();
        add(at, What::crash, seat);
        add(at + random_.pick({Time{1}, random_.between(Time{1}, lease()), duration()}),
            What::start, seat);
      }
      for (std::int64_t time = random_.between(0, 3); pauses && time > 0; --time) {
        add(some_time(), What::pause, seat, duration());
      }
      for (std::int64_t time = random_.between(0, 2); abandons && time > 0; --time) {
        add(some_time(), What::abandon, seat, {}, random_.between(0, last_slot));
      }
    }
  }

  void draw_faults() {
    for (const What what : profile_.always) draw_fault(what, random_.between(1, 3));
    if (profile_.twin_losses) draw_twins();
    if (profile_.rewinds && profile_.always.empty()) draw_steps_and_checkpoints();
    for (const What what : profile_.faults) {
      if (random_.chance(400)) draw_fault(what, random_.between(1, 3));
    }
  }

  // Before the restorations after the former one are over.
  void draw_twins() {
    const std::vector<Happening> losses = schedule_.happenings;
    for (const Happening& one : losses) {
      if (one.what != What::restart && one.what != What::fail_over) continue;
      if (!random_.chance(700)) continue;
      add(one.at + random_.between(Time{1}, lease() / 2), one.what, one.target, one.amount,
          one.extra);
    }
  }

  // Every lease that is still valid was renewed after the step. Once on each host, since a step while
  // an image is stopped fools the second witness.
  void draw_steps_and_checkpoints() {
    for (int host = 0; host < static_cast<int>(schedule_.hosts.size()); ++host) {
      const Time at = random_.between(3 * lease(), schedule_.heal_at);
      add(at - lease() * 5 / 4, What::wall_step, host,
          -random_.between(milliseconds{1}, 2 * lease()));
      add(at, What::checkpoint, host, duration());
    }
  }

  void draw_fault(What what, std::int64_t times) {
    if (what == What::store_step) {
      draw_store_steps();
      return;
    }
    if (what == What::hidden_pause && !profile_.violates && !profile_.only_ids) {
      draw_borne_pauses();
      return;
    }
    for (; times > 0; --times) {
      const Time at = some_time();
      const int host = static_cast<int>(
          random_.between(0, static_cast<std::int64_t>(schedule_.hosts.size()) - 1));
      switch (what) {
        case What::wall_step:
          draw_wall_steps(at, host);
          break;
        case What::rate:
          add(at, what, host, Time{rate()});
          break;
        case What::hidden_pause:
        case What::stopped_boot:
          add(at, what, host, random_.between(lease() / 2, 2 * lease()));
          break;
        case What::store_rate:
          add(at, what, 0, Time{rate()});
          break;
        case What::restart:
          add(at, what, 0, random_.pick({Time{}, random_.between(Time{}, lease() / 4), duration()}),
              random_.pick({std::int64_t{0}, random_.between(0, 3), random_.between(0, 30),
                            random_.between(0, 300)}));
          break;
        case What::fail_over:
          add(at, what, 0,
              random_.pick({Time{}, Time{}, random_.between(-Time{seconds{1}}, Time{seconds{1}})}),
              random_.pick({random_.between(0, 3), random_.between(0, 30)}));
          break;
        case What::silent_return:
          add(at, what, 0, {}, random_.between(1, 20));
          break;
        case What::split:
          add(at, what, 0, kept() + duration(), random_.between(0, 10));
          break;
        case What::lose_record:
          add(at, what, 0, {},
              random_.between(schedule_.configuration.min_worker_id,
                              schedule_.configuration.max_worker_id));
          break;
        case What::store_slow:
          add(at, what, 0, random_.between(milliseconds{1}, lease() / 2), duration().count());
          break;
        case What::store_stepping:
          add(Time{}, what, 0, lease() / 4 - milliseconds{1});
          break;
        case What::wipe:
        case What::file_deleted:
          add(at, what, 0);
          break;
        default:  // Something that lasts, at a host or the store.
          add(at, what, what < What::restart ? host : 0, duration());
          break;
      }
    }
  }

  // Once, or back and forth.
  void draw_wall_steps(Time at, int host) {
    const Time most = random_.pick({Time{milliseconds{200}}, lease() / 2, Time{seconds{3600}}});
    const Time step = random_.between(-most, most);
    if (random_.chance(700)) {
      add(at, What::wall_step, host, step);
      return;
    }
    for (int time = 0; time < 10; ++time) {
      add(at + time * milliseconds{100}, What::wall_step, host, time % 2 == 0 ? step : -step);
    }
  }

  // One step forward in the life of a lease is what is borne; back it may step at any time.
  void draw_store_steps() {
    const Time apart = kept() * 3 / 2;
    for (Time at = random_.between(Time{}, apart); at < schedule_.heal_at;
         at += apart + random_.between(Time{}, apart)) {
      add(at, What::store_step, 0,
          random_.pick({lease() / 4, lease() / 4 - milliseconds{1}, lease(), Time{seconds{3600}}}));
    }
    if (random_.chance(300)) {
      add(some_time(), What::store_step, 0,
          -random_.pick({Time{milliseconds{500}}, lease(), Time{seconds{500}}}));
    }
  }

  // P <= (L + Q - F - g) / (1 + rho) - L / (1 - rho), once on each host.
  void draw_borne_pauses() {
    const std::int64_t one = HostClock::true_rate;
    const Time room = kept() - lease() / 4 - milliseconds{3};
    const Time borne = Time{room.count() / (one + schedule_.rho) * one} -
                       Time{lease().count() / (one - schedule_.rho) * one};
    for (int host = 0; host < static_cast<int>(schedule_.hosts.size()); ++host) {
      add(some_time(), What::hidden_pause, host, borne);
    }
  }

  // Many hand-overs: by release, and by crash and expiry.
  void draw_snowflakes() {
    SnowflakeUse& use = schedule_.snowflakes.emplace();
    use.sequence_bits = static_cast<int>(random_.pick({0, 8, 12, 12, 16, 22}));
    use.tick = milliseconds{random_.pick({1, 1, 10, 1'000})};
    use.max_ahead = milliseconds{random_.pick({0, 5'000, 86'400'000, 86'400'000})};
    use.max_borrowed = milliseconds{random_.pick({0, 0, 1'000})};
    use.coarse = milliseconds{random_.pick({0, 10})};
    for (int seat = 0; seat < static_cast<int>(schedule_.seats.size()); ++seat) {
      Seat& place = schedule_.seats[static_cast<std::size_t>(seat)];
      place.explicit_calls = false;
      for (std::int64_t time = random_.between(0, 12); time > 0; --time) {
        add(some_time(), What::release, seat, {}, random_.between(0, place.leases - 1));
      }
      for (std::int64_t time = random_.between(0, 2); time > 0; --time) {
        const Time at = some_time();
        add(at, What::crash, seat);
        add(at + random_.between(Time{1}, lease()), What::start, seat);
      }
      for (std::int64_t time = random_.between(0, 2); time > 0; --time) {
        add(some_time(), What::fork, seat, {}, random_.between(0, place.leases - 1));
      }
    }
  }

  void draw_network() {
    if (profile_.stragglers) {
      schedule_.drops = random_.pick({0, 20, 100});
      schedule_.delays = random_.pick({100, 300});
      schedule_.duplicates = random_.pick({50, 200, 400});
      return;
    }
    if (random_.chance(200)) return;
    schedule_.drops = random_.pick({0, 20, 100, 300});
    schedule_.delays = random_.pick({0, 20, 100, 300});
    schedule_.duplicates = random_.pick({0, 0, 50, 200});
  }

  Random random_;
  const Profile& profile_;
  Schedule schedule_;
};

}  // namespace

const std::vector<Profile>& profiles() {
  static const std::vector<Profile> all = make_profiles();
  return all;
}

const Profile& profile(std::string_view name) {
  for (const Profile& one : profiles()) {
    if (one.name == name) return one;
  }
  throw std::runtime_error("there is no profile \"" + std::string{name} + "\"");
}

Schedule draw(std::uint64_t seed, std::string_view profile_name) {
  if (!profile_name.empty()) return Draw(seed, profile(profile_name)).draw();
  std::int64_t shares = 0;
  for (const Profile& one : profiles()) shares += one.share;
  auto chosen = static_cast<std::int64_t>(hash({seed, 7}) % static_cast<std::uint64_t>(shares));
  for (const Profile& one : profiles()) {
    chosen -= one.share;
    if (chosen < 0) return Draw(seed, one).draw();
  }
  throw std::logic_error("no profile has a share");
}

Promise promise(const Schedule& schedule) {
  Promise promise{.configuration = schedule.configuration,
                  .rho = schedule.rho,
                  .store_step = {},
                  .ordered_store = true,
                  .calm = profile(schedule.profile).calm};
  for (const Happening& happening : schedule.happenings) {
    const bool back = happening.amount < Time{};
    if (happening.what == What::store_step || happening.what == What::fail_over) {
      promise.store_step = schedule.configuration.lease_time / 4;
      if (back) promise.ordered_store = false;
    }
    if (happening.what == What::wall_step && schedule.store == StoreKind::sqlite && back) {
      promise.ordered_store = false;
    }
  }
  return promise;
}

}  // namespace simulation
