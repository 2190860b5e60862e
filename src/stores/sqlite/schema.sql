-- SPDX-License-Identifier: MIT
-- Times ending in _ms count from the boot of the machine that `machine` names;
-- reserved timestamps count from 1970-01-01 UTC.

CREATE TABLE machine (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  boot_id TEXT NOT NULL,
  machine_id TEXT NOT NULL,
  boottime_offset_ns INTEGER NOT NULL,
  file TEXT NOT NULL,       -- which file this is: a copy is another one
  lost_ms INTEGER NOT NULL  -- when data may have been lost that it does not show; -1 for never
);

CREATE TABLE clusters (
  cluster TEXT PRIMARY KEY NOT NULL,
  min_worker_id INTEGER NOT NULL,
  max_worker_id INTEGER NOT NULL,
  lease_time_ms INTEGER NOT NULL,
  reuse_delay_ms INTEGER NOT NULL,
  cool_down_ms INTEGER NOT NULL,
  last_epoch INTEGER NOT NULL,
  next_fresh INTEGER NOT NULL,
  granted INTEGER NOT NULL,
  incarnation TEXT NOT NULL,
  incarnation_began INTEGER NOT NULL,
  hold_back_until_ms INTEGER NOT NULL,
  lost_timestamps_ms INTEGER NOT NULL,
  proven INTEGER NOT NULL  -- 1 if somebody showed an epoch of it
) WITHOUT ROWID;

-- A row for every worker ID ever granted; none is ever deleted.
CREATE TABLE records (
  cluster TEXT NOT NULL,
  worker_id INTEGER NOT NULL,
  token TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  instance TEXT NOT NULL,
  owner TEXT NOT NULL,
  lease_end_ms INTEGER NOT NULL,
  free_at_ms INTEGER NOT NULL,
  floor_ms INTEGER NOT NULL,  -- free_at_ms is never before it
  first_reserved_ms INTEGER NOT NULL,
  last_reserved_ms INTEGER NOT NULL,
  released INTEGER NOT NULL,
  PRIMARY KEY (cluster, worker_id)
) WITHOUT ROWID;

CREATE UNIQUE INDEX records_by_token ON records (cluster, token);
CREATE INDEX records_by_free_at ON records (cluster, free_at_ms, worker_id);

-- The worker ID that was last written under each instance name.
CREATE TABLE instances (
  cluster TEXT NOT NULL,
  instance TEXT NOT NULL,
  worker_id INTEGER NOT NULL,
  PRIMARY KEY (cluster, instance)
) WITHOUT ROWID;
