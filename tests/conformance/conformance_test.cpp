// SPDX-License-Identifier: MIT
//
// Every check of the suite on every store.
#include "conformance/subjects.hpp"

#include <gtest/gtest.h>
#include <set>
#include <sstream>
#include <string>
#include <tuple>

namespace workerid::tests {

using testing::ConformanceCheck;
using testing::store_conformance;

class Conformance : public ::testing::TestWithParam<std::tuple<Backend, std::size_t>> {};

TEST_P(Conformance, Check) {
  const auto [backend, index] = GetParam();
  const ConformanceCheck& check = store_conformance().at(index);
  SCOPED_TRACE(check.name + " shows " + check.guarantee);
  check.run(make_subject(backend));
}

INSTANTIATE_TEST_SUITE_P(, Conformance,
                         ::testing::Combine(::testing::ValuesIn(all_backends),
                                            ::testing::Range(std::size_t{0},
                                                             store_conformance().size())),
                         [](const auto& test) {
                           return name(std::get<0>(test.param)) + "_" +
                                  store_conformance().at(std::get<1>(test.param)).name;
                         });

TEST(ConformanceSuite, NamesAreDistinctAndCiteAGuarantee) {
  std::set<std::string> names;
  for (const ConformanceCheck& check : store_conformance()) {
    EXPECT_TRUE(names.insert(check.name).second) << check.name;
    EXPECT_EQ(check.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_"),
              std::string::npos)
        << check.name;
    EXPECT_EQ(check.guarantee.front(), 'G') << check.name;
  }
}

TEST(ConformanceSuite, PrintsALineForEachCheck) {
  std::ostringstream output;
  EXPECT_TRUE(run_store_conformance(make_subject(Backend::memory), output));
  const std::string text = output.str();
  for (const ConformanceCheck& check : store_conformance()) {
    EXPECT_NE(text.find("ok    " + check.name + " (" + check.guarantee + ")\n"), std::string::npos)
        << check.name;
  }
  const std::string count = std::to_string(store_conformance().size());
  EXPECT_NE(text.find(count + " of " + count + " checks passed\n"), std::string::npos);
}

}  // namespace workerid::tests
