// SPDX-License-Identifier: MIT
#include "stores/redis/redis_url.hpp"

#include "support/expect_error.hpp"

#include <workerid/redis_store.hpp>

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace workerid::tests {
namespace {

using detail::redis::Deployment;
using detail::redis::parse_deployment;
using detail::redis::parse_redis_url;
using detail::redis::RedisUrl;
using detail::redis::Topology;

TEST(RedisUrl, HasDefaults) {
  const RedisUrl url = parse_redis_url("redis://db");
  EXPECT_EQ(url.host, "db");
  EXPECT_EQ(url.port, 6379);
  EXPECT_EQ(url.database, 0);
  EXPECT_FALSE(url.credentials);
  EXPECT_FALSE(url.tls);
  EXPECT_EQ(url.socket_path, "");
}

TEST(RedisUrl, DescribesItselfWithoutSecrets) {
  const std::vector<std::pair<std::string, std::string>> table{
      {"redis://db", "redis://db:6379/0"},
      {"redis://db/", "redis://db:6379/0"},
      {"redis://db:7000/12", "redis://db:7000/12"},
      {"redis://127.0.0.1:1", "redis://127.0.0.1:1/0"},
      {"redis://[::1]:65535/2", "redis://[::1]:65535/2"},
      {"redis://[2001:db8::7]", "redis://[2001:db8::7]:6379/0"},
      {"redis://joe:secret@db", "redis://db:6379/0"},
      {"redis://:secret@db:7000", "redis://db:7000/0"},
      {"rediss://db?verify=none", "rediss://db:6379/0"},
      {"rediss://:secret@db/3?ca=/tmp/ca.pem", "rediss://db:6379/3"},
      {"unix:///run/redis.sock", "unix:///run/redis.sock"},
      {"unix://:secret@/run/redis.sock?db=4", "unix:///run/redis.sock?db=4"},
      {"unix:///run/a%20b.sock", "unix:///run/a b.sock"},
  };
  for (const auto& [text, description] : table) {
    EXPECT_EQ(parse_redis_url(text).description(), description) << text;
  }
}

TEST(RedisUrl, DecodesUserAndPassword) {
  const auto credentials = [](const std::string& text) {
    const RedisUrl url = parse_redis_url(text);
    return url.credentials->user + "|" + url.credentials->password;
  };
  EXPECT_EQ(credentials("redis://joe:secret@db"), "joe|secret");
  EXPECT_EQ(credentials("redis://:secret@db"), "|secret");
  EXPECT_EQ(credentials("redis://joe:@db"), "joe|");
  EXPECT_EQ(credentials("redis://a%3ab:c%40d%2Fe:f@db"), "a:b|c@d/e:f");
  EXPECT_EQ(credentials("unix://joe:s%25@/run/redis.sock"), "joe|s%");
}

TEST(RedisUrl, ReadsTlsOptions) {
  const RedisUrl url =
      parse_redis_url("rediss://db?ca=/c%26a&cert=/cert&key=/key&server_name=redis.example");
  ASSERT_TRUE(url.tls);
  EXPECT_EQ(url.tls->ca_file, "/c&a");
  EXPECT_EQ(url.tls->certificate_file, "/cert");
  EXPECT_EQ(url.tls->key_file, "/key");
  EXPECT_EQ(url.tls->server_name, "redis.example");
  EXPECT_TRUE(url.tls->verify);
  EXPECT_FALSE(parse_redis_url("rediss://db?verify=none").tls->verify);
}

TEST(RedisUrl, NamesSentinels) {
  const Deployment deployment = parse_deployment(
      "rediss+sentinel://joe:secret@a,[::1]:7000,c:7001/my%2Fmaster/3?ca=/ca&cert=/cert&key=/key&"
      "server_name=data&sentinel_user=watch&sentinel_password=s%3Fp&sentinel_ca=/other&"
      "wait_replicas=2");
  EXPECT_EQ(deployment.topology, Topology::sentinel);
  EXPECT_EQ(deployment.service, "my/master");
  EXPECT_EQ(deployment.wait_replicas, 2);
  EXPECT_EQ(deployment.description(), "rediss+sentinel://a:26379,[::1]:7000,c:7001/my/master/3");
  EXPECT_EQ(deployment.server.credentials->user, "joe");
  EXPECT_EQ(deployment.server.database, 3);
  EXPECT_EQ(deployment.server.tls->server_name, "data");
  ASSERT_EQ(deployment.ask.size(), 3U);
  for (const RedisUrl& sentinel : deployment.ask) {
    EXPECT_EQ(sentinel.credentials->user, "watch");
    EXPECT_EQ(sentinel.credentials->password, "s?p");
    EXPECT_EQ(sentinel.database, 0);
    ASSERT_TRUE(sentinel.tls);
    EXPECT_EQ(sentinel.tls->ca_file, "/other");
    EXPECT_EQ(sentinel.tls->certificate_file, "/cert") << "as the servers'";
    EXPECT_EQ(sentinel.tls->server_name, "") << "the servers' name is not theirs";
  }
  EXPECT_FALSE(parse_deployment("rediss+sentinel://a/jobs?sentinel_tls=no").ask[0].tls);
  EXPECT_TRUE(parse_deployment("redis+sentinel://a/jobs?sentinel_tls=yes").ask[0].tls);
  EXPECT_FALSE(parse_deployment("redis+sentinel://:secret@a/jobs").ask[0].credentials)
      << "the servers' password is not told the sentinels";
}

TEST(RedisUrl, NamesNodesOfARedisCluster) {
  const Deployment deployment =
      parse_deployment("redis+cluster://:secret@a,b:7000/?wait_replicas=1");
  EXPECT_EQ(deployment.topology, Topology::cluster);
  EXPECT_EQ(deployment.description(), "redis+cluster://a:6379,b:7000");
  EXPECT_EQ(deployment.ask[1].port, 7000);
  EXPECT_EQ(deployment.ask[1].credentials->password, "secret");
  EXPECT_TRUE(parse_deployment("rediss+cluster://a").ask[0].tls);
  EXPECT_EQ(parse_deployment("unix:///redis.sock?wait_replicas=100").wait_replicas, 100);
}

TEST(RedisUrl, OfOneServerOnlyWhereOneIsNeeded) {
  for (const std::string text : {"redis+cluster://a", "redis+sentinel://a/jobs"}) {
    expect_error_naming(
        ErrorCode::invalid_argument, [&] { parse_redis_url(text); }, "one server is needed");
  }
}

struct BadUrl {
  std::string text;
  std::string named;  // what the message says of it
};

TEST(RedisUrl, NamesWhatIsWrong) {
  const std::vector<BadUrl> table{
      {"", "begins with"},
      {"db", "begins with"},
      {"http://db", "begins with"},
      {"REDIS://db", "begins with"},
      {"redis:/db", "begins with"},
      {"redis://", "no host"},
      {"redis:///1", "no host"},
      {"redis://:6379", "no host"},
      {"redis://a_b,c", "wrong host"},
      {"redis://" + std::string(254, 'a'), "wrong host"},
      {"redis://db:", "port"},
      {"redis://db:0", "port"},
      {"redis://db:65536", "port"},
      {"redis://db:6379x", "port"},
      {"redis://db:-1", "port"},
      {"redis://[::1", "[ without a ]"},
      {"redis://[::1]6379", "after the ]"},
      {"redis://[127.0.0.1]", "IPv6"},
      {"redis://[nonsense]", "IPv6"},
      {"redis://::1", "port"},
      {"redis://db/x", "database \"x\""},
      {"redis://db/-1", "database \"-1\""},
      {"redis://db/1/2", "database \"1/2\""},
      {"redis://db/99999999999", "database \"99999999999\""},
      {"redis://db?db=1", "\"db\""},
      {"redis://db/1?ca=/x", "\"ca\""},
      {"redis://db#1", "#"},
      {"redis://d b", "blank"},
      {"redis://d\tb", "control character"},
      {"redis://d\xc3\xa4", "ASCII"},
      {"redis://joe@db", "no password"},
      {"redis://:@db", "neither"},
      {"redis://a:b@c@db", "more than one @"},
      {"redis://:a%2@db", "password"},
      {"redis://:a%@db", "password"},
      {"redis://:a%00@db", "password"},
      {"redis://a%zz:b@db", "the user"},
      {"rediss://db?ca", "\"ca\" without a value"},
      {"rediss://db?ca=", "\"ca\" without a value"},
      {"rediss://db?ca=/a&ca=/b", "\"ca\" twice"},
      {"rediss://db?cart=/a", "\"cart\""},
      {"rediss://db?verify=no", "verify=\"no\""},
      {"rediss://db?verify=none&ca=/a", "both ca and verify=none"},
      {"rediss://db?cert=/a", "cert and key"},
      {"rediss://db?key=/a", "cert and key"},
      {"rediss://db?key=%g", "the option key"},
      {"redis+sentinel://a", "no service"},
      {"redis+sentinel://a/", "no service"},
      {"redis+sentinel:///jobs", "no host"},
      {"redis+sentinel://a,,b/jobs", "no host"},
      {"redis+sentinel://a,b,a:26379/jobs", "a:26379 twice"},
      {"redis+sentinel://a/jobs/x", "database \"x\""},
      {"redis+sentinel://a/jobs?ca=/x", "\"ca\""},
      {"redis+sentinel://a/jobs?sentinel_ca=/x", "\"sentinel_ca\""},
      {"redis+sentinel://a/jobs?sentinel_user=x", "without sentinel_password"},
      {"redis+sentinel://a/jobs?sentinel_tls=1", "must be yes or no"},
      {"rediss+sentinel://a/jobs?sentinel_cert=/x", "sentinel_cert and key"},
      {"rediss+sentinel://a/jobs?sentinel_verify=no", "sentinel_verify=\"no\""},
      {"redis+cluster://", "no host"},
      {"redis+cluster://a/1", "path \"/1\""},
      {"redis://a?wait_replicas=-1", "wait_replicas=\"-1\""},
      {"redis://a?wait_replicas=101", "from 0 to 100"},
      {"redis://a?wait_replicas=two", "wait_replicas=\"two\""},
      {"unix://", "no socket"},
      {"unix:///", "no socket"},
      {"unix://run/redis.sock", "names a host"},
      {"unix:///run/redis.sock?db=x", "database \"x\""},
      {"unix:///run/redis.sock?db=", "\"db\" without a value"},
      {"unix:///run/redis.sock?ca=1", "\"ca\""},
      {"unix:///" + std::string(200, 'a'), "201 bytes"},
  };
  for (const BadUrl& bad : table) {
    SCOPED_TRACE(bad.text);
    expect_error_naming(
        ErrorCode::invalid_argument, [&] { open_redis_store(bad.text); }, bad.named);
  }
}

TEST(RedisUrl, NeverRepeatsAPassword) {
  for (const std::string text :
       {"redis://joe:hunter2",  // the host was forgotten, so the password stands for a port
        "redis://:hunter2@d b", "redis://:hunter2@db:x", "redis://:hunter2@db/x",
        "redis://:hunter2%@db", "redis://:hunter2@x@db", "redis://:hunt/hunter2@db",
        "redis://:hunt?hunter2@db", "redis://:hunt#hunter2@db", "rediss://:hunter2@db?x=y",
        "unix://:hunter2@db/x", "unix://hunter2@/x", "http://:hunter2@db",
        "redis+sentinel://:hunter2@a", "redis+sentinel://a/jobs?sentinel_password=hunter2&x=y",
        "redis+sentinel://a/jobs?sentinel_password=hunter2%", "redis+cluster://:hunter2@a/1"}) {
    const Error error = expect_error(ErrorCode::invalid_argument, [&] { parse_redis_url(text); });
    EXPECT_EQ(std::string{error.what()}.find("hunter2"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace workerid::tests
