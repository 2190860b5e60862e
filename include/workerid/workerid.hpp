// SPDX-License-Identifier: MIT
//
// The whole core. Stores that need a library of their own have their own headers and targets:
// <workerid/sqlite_store.hpp> with workerid::sqlite, <workerid/redis_store.hpp> with workerid::redis.
#pragma once

#include <workerid/clock.hpp>
#include <workerid/error.hpp>
#include <workerid/generator.hpp>
#include <workerid/lease.hpp>
#include <workerid/memory_store.hpp>
#include <workerid/options.hpp>
#include <workerid/snowflake.hpp>
#include <workerid/store.hpp>
#include <workerid/token.hpp>
#include <workerid/version.hpp>
