// SPDX-License-Identifier: MIT
//
// TLS with a certificate authority of the test's own.
#include "redis_subject.hpp"
#include "support/certificate_authority.hpp"
#include "support/expect_error.hpp"
#include "support/redis_server.hpp"

#include <workerid/redis_store.hpp>

#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace workerid::tests {
namespace {

using namespace std::chrono_literals;

class RedisTls : public ::testing::Test {
 protected:
  RedisTls() { authority.sign("server", "DNS:localhost,IP:127.0.0.1"); }

  void start(const std::string& certificate = "server", const std::string& clients = "no") {
    port = free_port();
    server.emplace(std::vector<std::string>{
        "--tls-port", std::to_string(port), "--tls-cert-file", authority.file(certificate + ".pem"),
        "--tls-key-file", authority.file(certificate + ".key"), "--tls-ca-cert-file",
        authority.file("ca.pem"), "--tls-auth-clients", clients});
  }

  std::string url(const std::string& host = "localhost") const {
    return "rediss://" + host + ":" + std::to_string(port);
  }

  std::string trusting(const std::string& host = "localhost") const {
    return url(host) + "?ca=" + authority.file("ca.pem");
  }

  static Grant acquire(const std::string& at, std::chrono::milliseconds timeout = patience) {
    return Client{}.acquire(*open_redis_store(at), timeout);
  }

  CertificateAuthority authority;
  std::uint16_t port = 0;
  std::optional<RedisServer> server;
};

TEST_F(RedisTls, VerifiesTheServerByNameAndByAddress) {
  start();
  EXPECT_EQ(acquire(trusting("localhost")).worker_id, 1);
  EXPECT_EQ(acquire(trusting("127.0.0.1")).worker_id, 2);
  EXPECT_EQ(acquire(trusting("127.0.0.1") + "&server_name=localhost").worker_id, 3);
}

TEST_F(RedisTls, ServesEveryOperation) {
  start();
  const auto store = open_redis_store(trusting());
  Client client;
  const Grant grant = client.acquire(*store);
  EXPECT_EQ(client.renew(*store, grant.worker_id).epoch, grant.epoch);
  EXPECT_EQ(store->inspect("jobs", patience)->leases.size(), 1U);
  client.release(*store, grant.worker_id);
  // Several records of TLS: more than 16 KiB.
  for (int lease = 0; lease < 200; ++lease) {
    client.token = Token::random();
    client.cluster = "many";
    client.configuration.max_worker_id = 1000;
    AcquireRequest request = client.acquisition();
    request.owner = std::string(250, 'o');
    store->acquire(request, patience);
  }
  EXPECT_EQ(store->inspect("many", patience)->leases.size(), 200U);
}

TEST_F(RedisTls, ReplacesAConnectionThatARestartClosed) {
  start();
  const auto store = open_redis_store(trusting());
  EXPECT_EQ(Client{}.acquire(*store).worker_id, 1);
  server->restart();
  EXPECT_EQ(Client{}.acquire(*store).worker_id, 1);
}

TEST_F(RedisTls, RefusesAnUnknownAuthority) {
  start();
  expect_error_naming(
      ErrorCode::denied, [&] { acquire(url() + "?ca=" + authority.file("stranger.pem")); },
      "certificate", "ca");
  expect_error_naming(
      ErrorCode::denied, [&] { acquire(url()); }, "certificate");
}

TEST_F(RedisTls, RefusesAnotherName) {
  start();
  expect_error_naming(
      ErrorCode::denied, [&] { acquire(trusting() + "&server_name=redis.example"); }, "hostname");
  authority.sign("unnamed", "DNS:redis.example");
  start("unnamed");
  expect_error_naming(
      ErrorCode::denied, [&] { acquire(trusting("127.0.0.1")); }, "IP address");
  EXPECT_EQ(acquire(trusting() + "&server_name=redis.example").worker_id, 1);
}

TEST_F(RedisTls, RefusesAnExpiredCertificate) {
  authority.sign("expired", "DNS:localhost", -1);
  start("expired");
  expect_error_naming(
      ErrorCode::denied, [&] { acquire(trusting()); }, "expired");
}

TEST_F(RedisTls, VerifiesNothingOnlyWhenToldSo) {
  start();
  EXPECT_EQ(acquire(url() + "?verify=none").worker_id, 1);
}

TEST_F(RedisTls, ShowsItsCertificateToAServerThatAsks) {
  start("server", "yes");
  authority.sign("client", "");
  expect_error_naming(
      ErrorCode::denied, [&] { acquire(trusting()); }, "cert and key");
  EXPECT_EQ(acquire(trusting() + "&cert=" + authority.file("client.pem") +
                    "&key=" + authority.file("client.key"))
                .worker_id,
            1);
}

TEST_F(RedisTls, NamesFilesThatCannotBeUsed) {
  const std::string at = "rediss://localhost?";
  authority.sign("client", "");
  expect_error_naming(
      ErrorCode::invalid_argument, [&] { open_redis_store(at + "ca=/nonexistent"); },
      "ca=/nonexistent");
  expect_error_naming(
      ErrorCode::invalid_argument,
      [&] { open_redis_store(at + "cert=/nonexistent&key=/nonexistent"); }, "cert=/nonexistent");
  expect_error_naming(
      ErrorCode::invalid_argument,
      [&] {
        open_redis_store(at + "cert=" + authority.file("client.pem") +
                         "&key=" + authority.file("server.key"));
      },
      "key=");
}

// A plain port takes the handshake for the beginning of a command: it waits, or finds it wrong.
TEST_F(RedisTls, TlsToAPlainPortIsExplained) {
  start();
  try {
    acquire("rediss://localhost:" + std::to_string(server->port()), 500ms);
    ADD_FAILURE() << "a plain port spoke TLS";
  } catch (const Error& error) {
    EXPECT_TRUE(error.error_code() == ErrorCode::unavailable ||
                error.error_code() == ErrorCode::unsupported_server)
        << error.what();
    EXPECT_NE(std::string{error.what()}.find("use redis://"), std::string::npos) << error.what();
  }
}

TEST_F(RedisTls, PlainToATlsPortIsExplained) {
  start();
  try {
    acquire("redis://localhost:" + std::to_string(port));
    ADD_FAILURE() << "a TLS port spoke plain";
  } catch (const Error& error) {
    EXPECT_TRUE(error.error_code() == ErrorCode::unavailable ||
                error.error_code() == ErrorCode::unsupported_server)
        << error.what();
    EXPECT_NE(std::string{error.what()}.find("use rediss://"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace workerid::tests
