// SPDX-License-Identifier: MIT
//
// The connection against a server that misbehaves in every way, each with its exact error.
#include "redis_peer.hpp"
#include "stores/redis/connection_pool.hpp"
#include "stores/redis/sentinel_connection.hpp"
#include "stores/redis/server_error.hpp"
#include "support/certificate_authority.hpp"
#include "support/expect_error.hpp"
#include "support/redis_server.hpp"
#include "support/temporary_directory.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <future>
#include <gtest/gtest.h>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace workerid::tests {
namespace {

using namespace std::chrono_literals;
using detail::redis::ConnectionPool;
using detail::redis::parse_redis_url;
using detail::redis::Purpose;
using Words = std::vector<std::string>;

// Long for what has to succeed; tests of time-outs say their own.
constexpr auto patience = 30s;
const std::string pong = "+PONG\r\n";

RedisReply command(ConnectionPool& pool, const Words& words,
                   std::chrono::milliseconds timeout = patience,
                   Purpose purpose = Purpose::question) {
  const auto answer = pool.send({&words, 1}, purpose, timeout).front();
  if (const auto* error = std::get_if<Error>(&answer)) throw *error;
  return std::get<RedisReply>(answer);
}

// What each of them comes to when it was sent and not answered.
const std::vector<std::pair<Purpose, ErrorCode>> unanswered{
    {Purpose::question, ErrorCode::unavailable}, {Purpose::change, ErrorCode::outcome_unknown}};

std::string bulk(const std::string& text) {
  return std::to_string(text.size()) + "\r\n" + text + "\r\n";
}

// What a command gets when the server, after its first answer, sends `bytes`.
RedisReply reply_to(const std::string& bytes) {
  ScriptedServer server([&](Peer& peer, int) {
    peer.answer(pong);
    peer.answer(bytes);
    peer.wait_until_closed();
  });
  ConnectionPool pool(parse_redis_url(server.url()));
  return command(pool, {"GET", "key"});
}

TEST(RedisConnection, ReadsEveryKindOfReply) {
  using Array = RedisReply::Array;
  EXPECT_EQ(reply_to("+OK\r\n"), RedisReply{std::string{"OK"}});
  EXPECT_EQ(reply_to(":-42\r\n"), RedisReply{std::int64_t{-42}});
  EXPECT_EQ(reply_to(":1790000000000001\r\n"), RedisReply{std::int64_t{1790000000000001}});
  EXPECT_EQ(reply_to(std::string("$5\r\na\0\r\nb\r\n", 11)),
            RedisReply{std::string("a\0\r\nb", 5)});
  EXPECT_EQ(reply_to("$0\r\n\r\n"), RedisReply{std::string{}});
  EXPECT_EQ(reply_to("$-1\r\n"), RedisReply{RedisReply::Nil{}});
  EXPECT_EQ(reply_to("*-1\r\n"), RedisReply{RedisReply::Nil{}});
  EXPECT_EQ(reply_to("*0\r\n"), RedisReply{Array{}});
  EXPECT_EQ(reply_to("*2\r\n*1\r\n:1\r\n$1\r\na\r\n"),
            (RedisReply{Array{RedisReply{Array{RedisReply{std::int64_t{1}}}},
                              RedisReply{std::string{"a"}}}}));
  EXPECT_EQ(reply_to("-ERR no\r\n"), RedisReply{RedisReply::ServerError{"ERR no"}});
}

TEST(RedisConnection, SendsWordsAsTheyAre) {
  const Words sent{"SET", "", "blank and \r\n", std::string("zero\0", 5),
                   std::string(100'000, 'x')};
  Words received;
  {
    ScriptedServer server([&](Peer& peer, int) {
      peer.answer(pong);
      received = peer.read_command();
      peer.send("+OK\r\n");
      peer.wait_until_closed();
    });
    ConnectionPool pool(parse_redis_url(server.url()));
    command(pool, sent);
  }
  EXPECT_EQ(received, sent);
}

TEST(RedisConnection, PutsHalfRepliesTogether) {
  ScriptedServer server([&](Peer& peer, int) {
    peer.answer(pong);
    peer.read_command();
    for (const char byte : std::string{"*2\r\n$3\r\nabc\r\n:7\r\n"}) {
      peer.send({&byte, 1});
      std::this_thread::yield();
    }
    peer.wait_until_closed();
  });
  ConnectionPool pool(parse_redis_url(server.url()));
  EXPECT_EQ(
      command(pool, {"GET"}),
      (RedisReply{RedisReply::Array{RedisReply{std::string{"abc"}}, RedisReply{std::int64_t{7}}}}));
}

TEST(RedisConnection, UsesOneConnectionForCallsInTurn) {
  int connections = 0;
  {
    ScriptedServer server([&](Peer& peer, int) {
      ++connections;
      for (int command = 0; command < 4; ++command) peer.answer(pong);
      peer.wait_until_closed();
    });
    ConnectionPool pool(parse_redis_url(server.url()));
    for (int call = 0; call < 3; ++call) command(pool, {"PING"});
  }
  EXPECT_EQ(connections, 1);
}

TEST(RedisConnection, ReplacesOneThatWasClosedWhileIdle) {
  ScriptedServer server([&](Peer& peer, int connection) {
    peer.answer(pong);
    peer.answer("+" + std::to_string(connection) + "\r\n");
    if (connection != 0) peer.wait_until_closed();
  });
  ConnectionPool pool(parse_redis_url(server.url()));
  EXPECT_EQ(command(pool, {"GET"}), RedisReply{std::string{"0"}});
  {
    // The server plays one connection after the other: that it serves this one shows that it has
    // closed the first.
    ConnectionPool other(parse_redis_url(server.url()));
    EXPECT_EQ(command(other, {"GET"}), RedisReply{std::string{"1"}});
  }
  EXPECT_EQ(command(pool, {"GET"}), RedisReply{std::string{"2"}});
}

TEST(RedisConnection, NeverTakesALateReplyForAnother) {
  ScriptedServer server([&](Peer& peer, int connection) {
    peer.answer(pong);
    if (connection == 0) {
      peer.answer("+first\r\n+too much\r\n");
    } else {
      peer.answer("+second\r\n");
    }
    peer.wait_until_closed();
  });
  auto pool = std::make_unique<ConnectionPool>(parse_redis_url(server.url()));
  EXPECT_EQ(command(*pool, {"GET"}), RedisReply{std::string{"first"}});
  EXPECT_EQ(command(*pool, {"GET"}), RedisReply{std::string{"second"}});
}

TEST(RedisConnection, CloseBeforeTheAnswerIsAnUnknownOutcomeOfAChange) {
  for (const auto& each : unanswered) {
    const Purpose purpose = each.first;
    const ErrorCode code = each.second;
    for (const std::string part : {"", "$10\r\nhalf"}) {
      ScriptedServer server([&](Peer& peer, int) {
        peer.answer(pong);
        if (purpose == Purpose::change) peer.read_command();  // INFO
        peer.answer(part);
      });
      ConnectionPool pool(parse_redis_url(server.url()));
      expect_error_naming(
          code, [&] { command(pool, {"GET"}, patience, purpose); }, pool.description(), "closed");
    }
  }
}

TEST(RedisConnection, SilenceEndsByTheDeadlineAsAnUnknownOutcomeOfAChange) {
  for (const auto& each : unanswered) {
    const Purpose purpose = each.first;
    const ErrorCode code = each.second;
    for (const std::string part : {"", "*2\r\n:1\r\n"}) {
      ScriptedServer server([&](Peer& peer, int) {
        peer.answer(pong);
        peer.answer(part);
        peer.wait_until_closed();
      });
      ConnectionPool pool(parse_redis_url(server.url()));
      expect_error_naming(
          code, [&] { command(pool, {"GET"}, 200ms, purpose); }, "in time");
    }
  }
}

TEST(RedisConnection, SilenceBeforeTheRequestChangesNothing) {
  ScriptedServer server([&](Peer& peer, int) { peer.wait_until_closed(); });
  ConnectionPool pool(parse_redis_url(server.url()));
  expect_error_naming(
      ErrorCode::unavailable, [&] { command(pool, {"GET"}, 200ms); }, "cannot connect", "in time");
}

TEST(RedisConnection, RequestThatTheServerDoesNotReadEndsByTheDeadline) {
  std::array<std::promise<void>, 6> done;
  ScriptedServer server([&](Peer& peer, int connection) {
    peer.answer(pong);
    done.at(static_cast<std::size_t>(connection)).get_future().wait();
  });
  ConnectionPool pool(parse_redis_url(server.url()));
  const std::string large(std::size_t{32} << 20U, 'x');
  std::error_code code = ErrorCode::unavailable;
  // A machine that has not begun to send by the deadline rightly says so, and gets twice the time.
  auto timeout = 1s;
  for (std::size_t call = 0; code == ErrorCode::unavailable && call < done.size(); ++call) {
    try {
      command(pool, {"SET", "key", large}, timeout, Purpose::change);
      code = {};
    } catch (const Error& error) {
      code = error.code();
    }
    timeout *= 2;
    done.at(call).set_value();
  }
  EXPECT_EQ(code, ErrorCode::outcome_unknown);
}

TEST(RedisConnection, NobodyListeningChangesNothing) {
  ConnectionPool pool(parse_redis_url("redis://127.0.0.1:" + std::to_string(free_port())));
  expect_error_naming(
      ErrorCode::unavailable, [&] { command(pool, {"GET"}); }, "refused");
  ConnectionPool local(parse_redis_url("unix:///nonexistent/redis.sock"));
  expect_error_naming(
      ErrorCode::unavailable, [&] { command(local, {"GET"}); }, "No such file");
}

// A server on a local socket that has no room for more who wait, until it takes them all.
class LocalServer {
 public:
  LocalServer() : listener_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    path_.copy(address_.sun_path, sizeof address_.sun_path - 1);
    if (::bind(listener_, generic_address(), sizeof address_) != 0 || ::listen(listener_, 0) != 0) {
      throw std::system_error(errno, std::generic_category(), "listen");
    }
    while (true) {
      waiting_.push_back(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      if (::connect(waiting_.back(), generic_address(), sizeof address_) != 0) return;
    }
  }
  LocalServer(const LocalServer&) = delete;
  LocalServer& operator=(const LocalServer&) = delete;

  ~LocalServer() {
    ::shutdown(listener_, SHUT_RDWR);  // ends accept(2)
    if (thread_.joinable()) thread_.join();
    ::close(listener_);
    for (const int descriptor : waiting_) ::close(descriptor);
  }

  std::string url() const { return "unix://" + path_; }

  // Those that wait have closed before their commands are read.
  void take_all() {
    for (const int descriptor : std::exchange(waiting_, {})) ::close(descriptor);
    thread_ = std::thread([this] {
      while (true) {
        const int descriptor = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (descriptor < 0) return;
        Peer peer(descriptor);
        peer.answer(pong);
        peer.answer("+OK\r\n");
        peer.wait_until_closed();
      }
    });
  }

 private:
  const sockaddr* generic_address() const { return reinterpret_cast<const sockaddr*>(&address_); }

  TemporaryDirectory directory_;
  std::string path_ = (directory_.path() / "server.sock").string();
  sockaddr_un address_{.sun_family = AF_UNIX, .sun_path = {}};
  int listener_;
  std::vector<int> waiting_;
  std::thread thread_;
};

// A local socket is refused at once where one of the network would wait, unless it blocks.
TEST(RedisConnection, WaitsForAPlaceAtALocalServer) {
  LocalServer server;
  {
    ConnectionPool pool(parse_redis_url(server.url()));
    expect_error_naming(
        ErrorCode::unavailable, [&] { command(pool, {"GET"}, 50ms); }, "no answer in time");
  }
  ConnectionPool pool(parse_redis_url(server.url()));
  auto reply = std::async(std::launch::async, [&] { return command(pool, {"GET"}); });
  server.take_all();
  EXPECT_EQ(reply.get(), RedisReply{std::string{"OK"}});
}

TEST(RedisConnection, UnknownHostIsNamed) {
  ConnectionPool pool(parse_redis_url("redis://no-such-host.invalid"));
  expect_error_naming(
      ErrorCode::unavailable, [&] { command(pool, {"GET"}); }, "no-such-host.invalid", "resolved");
}

TEST(RedisConnection, ResolvesNames) {
  ScriptedServer server([&](Peer& peer, int) {
    peer.answer(pong);
    peer.answer("+OK\r\n");
    peer.wait_until_closed();
  });
  // "localhost" may come as ::1 first, where nobody listens.
  ConnectionPool pool(parse_redis_url("redis://localhost:" + std::to_string(server.port())));
  EXPECT_EQ(command(pool, {"GET"}), RedisReply{std::string{"OK"}});
}

TEST(RedisConnection, GarbageIsNotRedis) {
  for (const std::string garbage :
       {"HTTP/1.1 400 Bad Request\r\n", "*2\r\n?\r\n", ":12x\r\n", "$-7\r\n", "%1\r\n"}) {
    SCOPED_TRACE(garbage);
    expect_error_naming(
        ErrorCode::unsupported_server, [&] { reply_to(garbage); }, "Redis");
  }
}

// Nothing is made room for before it comes: neither for one large array nor for many.
TEST(RedisConnection, AnnouncedArrayWithoutBoundIsRefused) {
  expect_error_naming(
      ErrorCode::unsupported_server, [&] { reply_to("*2147483647\r\n"); }, "too large");
  std::string nested;
  for (int depth = 0; depth < 5; ++depth) nested += "*1000000\r\n";
  expect_error_naming(
      ErrorCode::unsupported_server, [&] { reply_to(nested); }, "too large");
}

TEST(RedisConnection, AnswerWithoutEndIsRefused) {
  const std::string long_line(70'000, 'A');
  for (const std::string beginning : {"+", "-", ":", "$", "*", "*2\r\n:1\r\n+"}) {
    SCOPED_TRACE(beginning);
    expect_error_naming(
        ErrorCode::unsupported_server, [&] { reply_to(beginning + long_line + "\r\n"); }, "no end");
  }
  const std::string text(70'000, '\0');
  EXPECT_EQ(reply_to("$" + bulk(text)), RedisReply{text});
}

// G10: what is not there by the deadline is not waited for, however much comes.
TEST(RedisConnection, NothingIsMovedAfterTheDeadline) {
  ScriptedServer server([&](Peer& peer, int) {
    peer.send(pong);
    peer.wait_until_closed();
  });
  detail::redis::Socket socket(parse_redis_url(server.url()),
                               detail::redis::deadline_after(patience));
  std::array<char, 16> buffer{};
  const auto read = [&] { return socket.receive(buffer.data(), buffer.size()); };
  const auto write = [&] { return socket.send(pong); };
  socket.complete(detail::redis::deadline_after(patience), read);
  const auto past = std::chrono::steady_clock::now();
  EXPECT_THROW(socket.complete(past, write), detail::redis::ConnectionFailure);
  EXPECT_THROW(socket.complete(past, read), detail::redis::ConnectionFailure);
  EXPECT_EQ(socket.bytes_sent(), 0U);
}

// G10: a server that sends and sends, faster than its answer is read.
TEST(RedisConnection, AFloodEndsByTheDeadline) {
  CertificateAuthority authority;
  authority.sign("server", "IP:127.0.0.1");
  std::string some;
  while (some.size() < (std::size_t{1} << 20U)) some += "$50\r\n" + std::string(50, 'x') + "\r\n";
  for (const bool with_tls : {false, true}) {
    SCOPED_TRACE(with_tls ? "TLS" : "plain");
    ScriptedServer server([&](Peer& peer, int) {
      if (with_tls) peer.shake_hands(authority.file("server.pem"), authority.file("server.key"));
      peer.answer(pong);
      peer.answer("+OK\r\n");
      peer.read_command();
      peer.send("*1000000\r\n");
      while (peer.send(some)) continue;
    });
    const std::string place = "127.0.0.1:" + std::to_string(server.port());
    ConnectionPool pool(parse_redis_url(
        with_tls ? "rediss://" + place + "?ca=" + authority.file("ca.pem") : "redis://" + place));
    EXPECT_EQ(command(pool, {"GET"}), RedisReply{std::string{"OK"}});
    const auto begin = std::chrono::steady_clock::now();
    expect_error_naming(
        ErrorCode::unavailable, [&] { command(pool, {"GET"}, 20ms); }, "in time");
    EXPECT_LT(std::chrono::steady_clock::now() - begin, patience);
  }
}

// A server that has no room says so and closes, whether it was asked anything or not.
TEST(RedisConnection, WhoIsTurnedAwayHearsWhy) {
  for (const bool asked : {false, true}) {
    ScriptedServer server([&](Peer& peer, int) {
      if (asked) peer.read_command();
      peer.send("-ERR max number of clients reached\r\n");
    });
    const std::string place = "127.0.0.1:" + std::to_string(server.port());
    for (const std::string& url :
         {"redis://" + place, "redis://:secret@" + place, "redis+sentinel://" + place + "/jobs",
          "redis+cluster://" + place}) {
      SCOPED_TRACE(url);
      expect_error_naming(
          ErrorCode::unavailable, [&] { open_redis_store(url)->inspect("jobs", patience); },
          "max number of clients reached", "maxclients");
    }
  }
}

TEST(RedisConnection, AnyErrorInAnswerToTheGreetingIsNoWelcome) {
  for (const std::string text : {"ERR something else", "NOAUTH", "DENIED", "PROXY is full"}) {
    std::vector<Words> commands;
    {
      ScriptedServer server([&](Peer& peer, int) {
        commands.push_back(peer.read_command());
        peer.send("-" + text + "\r\n");
        peer.wait_until_closed();
      });
      ConnectionPool pool(parse_redis_url(server.url()));
      EXPECT_THROW(command(pool, {"GET"}), Error) << text;
    }
    EXPECT_EQ(commands, std::vector<Words>{{"PING"}}) << text;
  }
  for (const std::string text : {"NOPERM no PING for you", "ERR unknown command 'PING'", "BUSY",
                                 "LOADING", "MASTERDOWN", "MISCONF"}) {
    ScriptedServer server([&](Peer& peer, int) {
      peer.answer("-" + text + "\r\n");
      peer.answer("+OK\r\n");
      peer.wait_until_closed();
    });
    ConnectionPool pool(parse_redis_url(server.url()));
    EXPECT_EQ(command(pool, {"GET"}), RedisReply{std::string{"OK"}}) << text;
  }
}

// What a sentinel names is connected to and shown, so it has to be a host and a port.
TEST(RedisConnection, ASentinelThatNamesNoServerIsRefused) {
  const std::vector<std::pair<std::string, std::string>> named{{"127.0.0.1", "21200abc"},
                                                               {"127.0.0.1", "0"},
                                                               {"127.0.0.1", "65536"},
                                                               {"127.0.0.1", "-1"},
                                                               {"127.0.0.1", ""},
                                                               {"127.0.0.1", " 6379"},
                                                               {"", "6379"},
                                                               {"?", "6379"},
                                                               {"two words", "6379"},
                                                               {"a\x1b[2J", "6379"},
                                                               {"\xe2\x80\xae", "6379"},
                                                               {std::string(254, 'a'), "6379"}};
  for (const auto& [host, port] : named) {
    SCOPED_TRACE(detail::redis::shown(host + " " + port));
    ScriptedServer server([host = host, port = port](Peer& peer, int) {
      peer.answer(pong);
      peer.answer("*2\r\n$" + bulk(host) + "$" + bulk(port));
      peer.wait_until_closed();
    });
    detail::redis::SentinelConnection connection(detail::redis::parse_deployment(
        "redis+sentinel://127.0.0.1:" + std::to_string(server.port()) + "/jobs"));
    expect_error_naming(
        ErrorCode::unsupported_server,
        [&] {
          connection.command({"GET", "key"}, patience);
        },
        "as a sentinel does");
  }
}

// One that was just demoted, or is not promoted yet, would answer a question with what it knows.
TEST(RedisConnection, AReplicaThatTheSentinelsNameIsNotAsked) {
  const std::vector<std::string> roles{"*1\r\n$" + bulk("slave"), "*1\r\n$" + bulk("sentinel"),
                                       "*0\r\n", "+master\r\n", "*1\r\n$" + bulk("master")};
  ScriptedServer server([&](Peer& peer, int connection) {
    peer.answer(pong);
    for (Words words = peer.read_command(); !words.empty(); words = peer.read_command()) {
      peer.send(words == Words{"ROLE"} ? roles.at(static_cast<std::size_t>(connection))
                                       : "+asked\r\n");
    }
  });
  ScriptedServer sentinel([&](Peer& peer, int) {
    peer.answer(pong);
    while (!peer.read_command().empty()) {
      peer.send("*2\r\n$" + bulk("127.0.0.1") + "$" + bulk(std::to_string(server.port())));
    }
  });
  detail::redis::SentinelConnection connection(detail::redis::parse_deployment(
      "redis+sentinel://127.0.0.1:" + std::to_string(sentinel.port()) + "/jobs"));
  const auto ask = [&] { return connection.command({"GET", "key"}, patience); };
  for (std::size_t role = 0; role + 1 < roles.size(); ++role) {
    SCOPED_TRACE(roles[role]);
    expect_error_naming(ErrorCode::unavailable, ask, "says that it is no master",
                        std::to_string(server.port()));
  }
  EXPECT_EQ(ask(), RedisReply{std::string{"asked"}});
}

TEST(RedisConnection, AlertOfATlsPortIsExplained) {
  ScriptedServer server([&](Peer& peer, int) {
    peer.answer(std::string("\x15\x03\x01\x00\x02\x02\x46", 7));
    peer.wait_until_closed();
  });
  ConnectionPool pool(parse_redis_url(server.url()));
  expect_error_naming(
      ErrorCode::unsupported_server, [&] { command(pool, {"GET"}); }, "rediss://");
}

TEST(RedisConnection, CloseBeforeAnyAnswerHintsAtTls) {
  ScriptedServer server([&](Peer& peer, int) { peer.read_command(); });
  ConnectionPool pool(parse_redis_url(server.url()));
  expect_error_naming(
      ErrorCode::unavailable, [&] { command(pool, {"GET"}); }, "rediss://");
}

// The default action of SIGPIPE would end this process.
TEST(RedisConnection, WritingToAClosedConnectionRaisesNoSignal) {
  ScriptedServer server([&](Peer& peer, int) { peer.answer(pong); });
  const auto url = parse_redis_url(server.url());
  const auto deadline = detail::redis::deadline_after(patience);
  detail::redis::Connection connection(url, nullptr, deadline);
  // The first writing meets the end of the stream, the further ones a reset connection.
  for (int attempt = 0; attempt < 5; ++attempt) {
    try {
      connection.ask({"GET"}, deadline);
      ADD_FAILURE() << "a closed connection answered";
    } catch (const Error& error) {
      EXPECT_EQ(error.error_code(), ErrorCode::unavailable) << error.what();
    }
  }
}

TEST(RedisConnection, AuthenticatesAndSelectsTheDatabase) {
  std::vector<Words> commands;
  {
    ScriptedServer server([&](Peer& peer, int) {
      for (int command = 0; command < 3; ++command) {
        commands.push_back(peer.read_command());
        peer.send("+OK\r\n");
      }
      peer.wait_until_closed();
    });
    ConnectionPool pool(parse_redis_url(
        "redis://joe:pass%20word@127.0.0.1:" + std::to_string(server.port()) + "/3"));
    command(pool, {"GET", "key"});
  }
  EXPECT_EQ(commands,
            (std::vector<Words>{{"AUTH", "joe", "pass word"}, {"SELECT", "3"}, {"GET", "key"}}));
}

TEST(RedisConnection, RefusedDatabaseIsAWrongArgument) {
  ScriptedServer server([&](Peer& peer, int) {
    peer.answer(pong);
    peer.answer("-ERR DB index is out of range\r\n");
    peer.wait_until_closed();
  });
  ConnectionPool pool(parse_redis_url(server.url() + "/99"));
  expect_error_naming(
      ErrorCode::invalid_argument, [&] { command(pool, {"GET"}); }, "/99", "databases");
}

// G10: those who call while the server is away are not each held up by it.
TEST(RedisConnection, FailsAtOnceWhileItBacksOff) {
  std::atomic<int> connections{0};
  {
    ScriptedServer server([&](Peer& peer, int) {
      ++connections;
      peer.read_command();
    });
    ConnectionPool pool(parse_redis_url(server.url()));
    // The pauses double: after eight failures one is a second long.
    for (int failure = 0; failure < 8; ++failure) {
      const int before = connections;
      while (connections == before) {
        expect_error(ErrorCode::unavailable, [&] { command(pool, {"GET"}); });
      }
    }
    EXPECT_EQ(connections, 8);
    for (int call = 0; call < 100; ++call) {
      expect_error(ErrorCode::unavailable, [&] { command(pool, {"GET"}); });
    }
  }
  EXPECT_LT(connections, 8 + 100);
}

ErrorCode code_of(const std::variant<RedisReply, Error>& answer) {
  return std::get<Error>(answer).error_code();
}

TEST(RedisConnection, SendsSeveralCommandsInOneWrite) {
  ScriptedServer server([&](Peer& peer, int) {
    peer.answer(pong);
    // Answers nothing before it has read 256; a client that waits for an answer would wait for ever.
    for (const int count : {256, 44}) {
      std::string replies;
      for (int left = count; left > 0; --left) replies += "$" + bulk(peer.read_command().back());
      peer.send(replies);
    }
    peer.wait_until_closed();
  });
  ConnectionPool pool(parse_redis_url(server.url()));
  std::vector<Words> commands;
  for (int index = 0; index < 300; ++index) commands.push_back({"ECHO", std::to_string(index)});
  const auto answers = pool.send(commands, Purpose::question, patience);
  ASSERT_EQ(answers.size(), 300U);
  for (std::size_t index = 0; index < answers.size(); ++index) {
    EXPECT_EQ(std::get<RedisReply>(answers[index]), RedisReply{std::to_string(index)});
  }
}

// A connection that a change goes by for the first time asks whether it leads to a master, in the same
// write: then the answer to the change counts, or not.
TEST(RedisConnection, AReplicaAnswersQuestionsAndRefusesChanges) {
  const auto info = [](const std::string& role) {
    return "$" + bulk("# Replication\r\nrole:" + role + "\r\nx:1");
  };
  ScriptedServer server([&](Peer& peer, int connection) {
    peer.answer(pong);
    peer.answer("+question\r\n");
    for (const std::string& role :
         connection == 0
             ? std::vector{info("slave"), info("active-replica"), info("master")}
             : std::vector<std::string>{"-BUSY a script runs\r\n", "-NOPERM no INFO for you\r\n"}) {
      EXPECT_EQ(peer.read_command(), (Words{"INFO", "replication"}));
      EXPECT_EQ(peer.read_command(), Words{"CHANGE"});
      peer.send(role + "+done\r\n");
    }
    peer.answer("+again\r\n");
    peer.wait_until_closed();
  });
  for (const bool tells : {true, false}) {
    ConnectionPool pool(parse_redis_url(server.url()));
    EXPECT_EQ(pool.command({"ASK"}, patience), RedisReply{std::string{"question"}});
    const std::vector<Words> change{{"CHANGE"}};
    const auto changed = [&] {
      return std::get<RedisReply>(pool.commands(change, patience).at(0));
    };
    for (const std::string role : {"slave", "active-replica"}) {
      if (!tells) continue;
      EXPECT_EQ(changed(), RedisReply{RedisReply::ServerError{"READONLY its role is " + role}});
    }
    if (!tells) {
      EXPECT_EQ(changed(), RedisReply{std::string{"done"}}) << "it may tell later";
    }
    EXPECT_EQ(changed(), RedisReply{std::string{"done"}});
    EXPECT_EQ(changed(), RedisReply{std::string{"again"}}) << "it is asked once";
  }
}

TEST(RedisConnection, KnowsWhichOfSeveralWereSent) {
  ScriptedServer server([&](Peer& peer, int) {
    peer.answer(pong);
    EXPECT_EQ(peer.read_command(), (Words{"INFO", "replication"}));
    for (int count = 0; count < 256; ++count) peer.read_command();
    peer.send("$-1\r\n+one\r\n-ERR two\r\n");
  });
  {
    ConnectionPool pool(parse_redis_url(server.url()));
    const auto answers =
        pool.send(std::vector<Words>(300, Words{"PING"}), Purpose::change, patience);
    ASSERT_EQ(answers.size(), 300U);
    EXPECT_EQ(std::get<RedisReply>(answers[0]), RedisReply{std::string{"one"}});
    EXPECT_EQ(std::get<RedisReply>(answers[1]), RedisReply{RedisReply::ServerError{"ERR two"}});
    EXPECT_EQ(code_of(answers[2]), ErrorCode::outcome_unknown);
    EXPECT_EQ(code_of(answers[255]), ErrorCode::outcome_unknown);
    EXPECT_EQ(code_of(answers[256]), ErrorCode::unavailable);
    EXPECT_EQ(code_of(answers[299]), ErrorCode::unavailable);
  }
}

// A peer that goes without having read: what the kernel took is unknown, the rest was certainly not
// sent.
TEST(RedisConnection, WhatTheKernelDidNotTakeWasNotSent) {
  ScriptedServer server([&](Peer& peer, int) {
    peer.answer(pong);
    peer.wait_for(100);
  });
  ConnectionPool pool(parse_redis_url(server.url()));
  const std::vector<Words> commands(200, Words{"ECHO", std::string(200'000, 'x')});
  const auto answers = pool.send(commands, Purpose::change, patience);
  ASSERT_EQ(answers.size(), 200U);
  EXPECT_EQ(code_of(answers.front()), ErrorCode::outcome_unknown);
  EXPECT_EQ(code_of(answers.back()), ErrorCode::unavailable);
}

TEST(RedisConnection, MakesAsManyConnectionsAsCallersAtOnce) {
  RedisServer server;
  ConnectionPool pool(parse_redis_url(server.socket_url()));
  constexpr int callers = 16;
  std::vector<std::future<RedisReply>> waiting;
  waiting.reserve(callers);
  for (int caller = 0; caller < callers; ++caller) {
    waiting.push_back(std::async(std::launch::async, [&, caller] {
      return command(pool, {"BLPOP", "list" + std::to_string(caller), "0"});
    }));
  }
  const std::string blocked = "blocked_clients:" + std::to_string(callers);
  while (server.cli({"INFO", "clients"}).find(blocked) == std::string::npos) {
    std::this_thread::yield();
  }
  for (int caller = 0; caller < callers; ++caller) {
    server.cli({"RPUSH", "list" + std::to_string(caller), std::to_string(caller)});
  }
  for (int caller = 0; caller < callers; ++caller) {
    const RedisReply reply = waiting.at(static_cast<std::size_t>(caller)).get();
    EXPECT_EQ(std::get<RedisReply::Array>(reply.value).at(1), RedisReply{std::to_string(caller)});
  }
}

}  // namespace
}  // namespace workerid::tests
