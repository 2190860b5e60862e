-- SPDX-License-Identifier: MIT
--
-- What every script of the Redis store begins with. The scripts are the second copy of
-- src/rules.cpp: change both together.
--
-- KEYS, all of one cluster and in one hash slot, none with a time to live (those are evicted first):
--   cluster    hash: format, configuration, counters, clock, the server's incarnation
--   records    hash: worker ID -> record, its fields separated by tabs
--   order      sorted set: worker ID in ten digits, so that ties order by number -> free_at_ms
--   tokens     hash: token -> worker ID
--   instances  hash: instance -> worker ID that was recorded for it last
-- ARGV begins with the client's wall clock and boot clock, in ms, and the name of its machine.
--
-- An answer is an array that begins with a word; redis_store.cpp says what each means.

local CLUSTER, RECORDS, ORDER, TOKENS, INSTANCES = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local client = {wall_ms = tonumber(ARGV[1]), boot_ms = tonumber(ARGV[2]), machine = ARGV[3]}

local FORMAT = 2
local LARGEST_CLOCK_LEAD_MS = 60000
local CONFIGURATION = {'min', 'max', 'lease_ms', 'reuse_delay_ms', 'cool_down_ms'}
local CLUSTER_NUMBERS = {
  'format', 'min', 'max', 'lease_ms', 'reuse_delay_ms', 'cool_down_ms', 'last_epoch', 'next_fresh',
  'granted', 'clock_ms', 'last_wall_ms', 'witness_boot_ms', 'incarnation_began',
  'hold_back_until_ms', 'lost_timestamps_ms',
}
local RECORD_NUMBERS = {
  'epoch', 'lease_end_ms', 'free_at_ms', 'first_ms', 'last_ms', 'incarnation_began',
}

-- Ends the operation with this answer.
local function answer(...) error({...}, 0) end

local function damaged(key, what) answer('damaged', key, what) end

-- Runs a command. With redis.pcall an error keeps its text on every version of the server.
local function call(...)
  local reply = redis.pcall(...)
  if type(reply) == 'table' and reply.err then error({failure = reply.err}, 0) end
  return reply
end

-- All numbers are whole and below 2^53; as text they must not turn into 1.7e+15.
local function text(number) return string.format('%.0f', number) end

local function whole(value) return value and value:match('^%-?%d+$') and tonumber(value) end

-- Runs the operation and returns its answer. (From Redis 7 on, pcall makes text of a table that has
-- the field err; so what a command failed with travels under another name.)
local function operation(decide)
  local done, result = pcall(decide)
  if type(result) ~= 'table' then
    return redis.error_reply('ERR workerid script: ' .. tostring(result))
  end
  return not done and result.failure and {err = result.failure} or result
end

-- The server's wall clock, read once: it moves on while a script runs.
local wall_ms, wall_us

local function read_wall_clock()
  local time = call('TIME')
  wall_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
  wall_ms = math.floor(wall_us / 1000)
end

local function clocks_agree(lease_ms)
  return math.abs(client.wall_ms - wall_ms) <= math.max(1, math.floor(lease_ms / 4)) / 2
end

-- Advances the cluster's clock, which deadlines are counted on. A wall clock steps, so one operation
-- advances it by a quarter of the lease time at the most. The full time is credited where a boot
-- clock, which does not step, bears it out: the same machine's at the last operation and now. What it
-- showed is of use only if the request did not take long to come: time that had passed before it was
-- executed would count twice. Wall clocks that agree within an eighth of the lease time say so,
-- whichever of them is ahead, to within a quarter; and if they still agree now, the server's did not
-- step alone.
local function advance_clock(cluster)
  local passed = wall_ms - cluster.last_wall_ms
  local most = math.max(1, math.floor(cluster.lease_ms / 4))
  local credit = math.max(0, math.min(passed, most))
  local boot_ms = client.boot_ms
  local agreed = clocks_agree(cluster.lease_ms)
  if client.machine ~= '' and client.machine == cluster.witness then
    if agreed then
      credit = math.max(credit, math.min(passed, boot_ms - cluster.witness_boot_ms))
    end
    boot_ms = math.max(boot_ms, cluster.witness_boot_ms)
  end
  cluster.clock_ms = cluster.clock_ms + credit
  cluster.last_wall_ms, cluster.witness_boot_ms = wall_ms, boot_ms
  cluster.witness = agreed and client.machine or ''
end

local function read_cluster()
  local values = call('HMGET', CLUSTER, 'witness', 'incarnation', unpack(CLUSTER_NUMBERS))
  local format = values[3]
  if not format then
    if call('EXISTS', CLUSTER) > 0 then damaged(CLUSTER, 'the field format') end
    return nil
  end
  if whole(format) and whole(format) ~= FORMAT then answer('other_format', whole(format), FORMAT) end
  local cluster = {witness = values[1] or '', incarnation = values[2] or ''}
  for index, name in ipairs(CLUSTER_NUMBERS) do
    cluster[name] = whole(values[index + 2]) or damaged(CLUSTER, 'the field ' .. name)
  end
  return cluster
end

local function save_cluster(cluster)
  local fields = {'witness', cluster.witness, 'incarnation', cluster.incarnation}
  for _, name in ipairs(CLUSTER_NUMBERS) do
    fields[#fields + 1] = name
    fields[#fields + 1] = text(cluster[name])
  end
  call('HSET', CLUSTER, unpack(fields))
end

-- The cluster with its clock advanced, or nil if there is none. The clock is saved at once: an
-- operation that is refused moves it too, or a full cluster whose holders died would never age.
local function open_cluster()
  read_wall_clock()
  local cluster = read_cluster()
  if cluster then
    advance_clock(cluster)
    save_cluster(cluster)
  end
  return cluster
end

local function new_cluster(configuration)
  read_wall_clock()
  local cluster = {
    format = FORMAT, last_epoch = 0, next_fresh = configuration.min, granted = 0,
    clock_ms = 0, last_wall_ms = wall_ms, witness_boot_ms = client.boot_ms,
    witness = clocks_agree(configuration.lease_ms) and client.machine or '',
    incarnation = '', incarnation_began = 0, hold_back_until_ms = 0, lost_timestamps_ms = 0,
  }
  for _, name in ipairs(CONFIGURATION) do cluster[name] = configuration[name] end
  return cluster
end

-- That of the client, where its script takes one: behind its clocks.
local function configuration_asked_for()
  local configuration = {}
  for index, name in ipairs(CONFIGURATION) do configuration[name] = tonumber(ARGV[index + 3]) end
  return configuration
end

local function configuration_of(cluster)
  return cluster.min, cluster.max, cluster.lease_ms, cluster.reuse_delay_ms, cluster.cool_down_ms
end

local function parse_record(id, packed)
  local record = {id = id}
  record.epoch, record.lease_end_ms, record.free_at_ms, record.first_ms, record.last_ms,
    record.incarnation_began, record.released, record.token, record.instance, record.owner =
    packed:match('^(%d+)\t(%-?%d+)\t(%-?%d+)\t(%d+)\t(%-?%d+)\t(%d+)\t([01])\t([%w_-]+)\t' ..
      '([^\t]*)\t([^\t]*)$')
  if not id or not record.epoch then
    damaged(RECORDS, 'the record of worker ID ' .. tostring(id))
  end
  for _, name in ipairs(RECORD_NUMBERS) do record[name] = tonumber(record[name]) end
  record.released = record.released == '1'
  record.saved_token, record.saved_instance = record.token, record.instance
  return record
end

-- The record of a worker ID, or nil.
local function find(id)
  local packed = call('HGET', RECORDS, text(id))
  return packed and parse_record(id, packed)
end

-- The record that an index names for a key, if it bears the index out, or nil.
local function find_by(index, field, key)
  local id = whole(call('HGET', index, key))
  local record = id and find(id)
  return record and record[field] == key and record
end

local function save_record(record)
  local id = text(record.id)
  -- Everything is read before anything is written: a key of a wrong type must not leave half of it.
  local named = call('HGET', INSTANCES, record.instance)
  local was_named = record.saved_instance and call('HGET', INSTANCES, record.saved_instance)

  call('ZADD', ORDER, text(record.free_at_ms), string.format('%010d', record.id))
  call('HSET', RECORDS, id, table.concat({
    text(record.epoch), text(record.lease_end_ms), text(record.free_at_ms), text(record.first_ms),
    text(record.last_ms), text(record.incarnation_began), record.released and '1' or '0',
    record.token, record.instance, record.owner,
  }, '\t'))
  if record.saved_token ~= record.token then
    if record.saved_token then call('HDEL', TOKENS, record.saved_token) end
    call('HSET', TOKENS, record.token, id)
  end
  if record.saved_instance ~= record.instance and was_named == id then
    call('HDEL', INSTANCES, record.saved_instance)
  end
  if record.instance ~= '' and named ~= id then call('HSET', INSTANCES, record.instance, id) end
end

-- The client's wall clock as far as it may reserve timestamps.
local function believed_wall_ms()
  return math.max(0, math.min(client.wall_ms, wall_ms + LARGEST_CLOCK_LEAD_MS))
end

-- Never shortens: what an earlier, longer promise gave still holds.
local function extend(cluster, record)
  local lease_end_ms = cluster.clock_ms + cluster.lease_ms
  record.lease_end_ms = math.max(record.lease_end_ms, lease_end_ms)
  record.free_at_ms = math.max(record.free_at_ms, lease_end_ms + cluster.reuse_delay_ms)
  record.last_ms = math.max(record.last_ms, believed_wall_ms() + cluster.lease_ms)
  record.incarnation_began = cluster.incarnation_began
end

local function next_epoch(cluster) return math.max(cluster.last_epoch + 1, wall_us) end

-- A new grant: a greater epoch (G4), and timestamps above all that were reserved (G8).
local function grant_anew(cluster, record)
  cluster.last_epoch = next_epoch(cluster)
  record.epoch = cluster.last_epoch
  record.first_ms = math.max(record.last_ms, cluster.lost_timestamps_ms, believed_wall_ms() - 1) + 1
  record.last_ms = record.first_ms + cluster.lease_ms
  extend(cluster, record)
end

local function grant(cluster, record)
  return {'granted', record.id, record.epoch, record.first_ms, record.last_ms, cluster.lease_ms}
end

-- What the server tells of its own past (G7); the incarnation is empty where it may not be asked. A
-- promotion, and nothing else, gives a server another second replication ID; a start gives it another
-- run ID.
local function read_history()
  local function info(section)
    local reply = redis.pcall('INFO', section)
    return type(reply) == 'string' and reply or ''
  end
  local server, replication = info('server'), info('replication')
  local run_id, former_id = server:match('run_id:(%w+)'), replication:match('master_replid2:(%w+)')
  if not run_id or not former_id then return {incarnation = ''} end
  return {
    incarnation = run_id .. ':' .. former_id,
    promoted = former_id:find('[^0]') ~= nil,
    -- The difference of two whole seconds.
    uptime_ms = 1000 * math.max(0, (tonumber(server:match('uptime_in_seconds:(%d+)')) or 0) - 1),
    evicted = function() return not info('stats'):find('evicted_keys:0\r') end,
  }
end

local function hold_back_ms(cluster) return cluster.lease_ms + cluster.reuse_delay_ms end

local function holds_back(cluster) return cluster.clock_ms < cluster.hold_back_until_ms end

-- Something may have been lost: whoever holds an ID has a time from then on to register it anew (G7).
local function hold_back(cluster, lost_ago_ms)
  cluster.last_epoch = next_epoch(cluster)
  cluster.incarnation_began = cluster.last_epoch
  cluster.hold_back_until_ms = cluster.clock_ms + math.max(0, hold_back_ms(cluster) - lost_ago_ms)
  -- The most that a lost grant can have reserved, also when its holder's time is over (G8).
  cluster.lost_timestamps_ms = math.max(
    cluster.lost_timestamps_ms, wall_ms - lost_ago_ms + LARGEST_CLOCK_LEAD_MS + cluster.lease_ms)
end

-- Compares the server with what was noted of it, and holds back if it forgot or went back (G7).
local function notice_loss(cluster, seen_epoch, history)
  local another = history.incarnation ~= '' and cluster.incarnation ~= '' and
    history.incarnation ~= cluster.incarnation
  local went_back = seen_epoch > cluster.last_epoch and not holds_back(cluster)
  if history.incarnation ~= '' then cluster.incarnation = history.incarnation end
  cluster.last_epoch = math.max(cluster.last_epoch, seen_epoch)
  if another or went_back then hold_back(cluster, 0) end
end

-- Keys are evicted or deleted one by one. Whatever is left of the records counts, and the indexes are
-- made anew of them. A clock that was lost with the cluster goes on where no record is in force.
local function rebuild(cluster)
  local clock_was_lost = cluster.clock_ms == 0
  for _, index in ipairs({TOKENS, INSTANCES}) do call('HLEN', index) end
  call('ZCARD', ORDER)  -- Deletes nothing that is not ours.
  local all, records = call('HGETALL', RECORDS), {}
  for index = 1, #all, 2 do
    records[#records + 1] = parse_record(whole(all[index]), all[index + 1])
  end
  call('DEL', ORDER, TOKENS, INSTANCES)
  cluster.granted, cluster.next_fresh = #records, cluster.min
  for _, record in ipairs(records) do
    local id = text(record.id)
    call('ZADD', ORDER, text(record.free_at_ms), string.format('%010d', record.id))
    call('HSET', TOKENS, record.token, id)
    if record.instance ~= '' then call('HSET', INSTANCES, record.instance, id) end
    cluster.last_epoch = math.max(cluster.last_epoch, record.epoch)
    if clock_was_lost then cluster.clock_ms = math.max(cluster.clock_ms, record.free_at_ms) end
  end
  hold_back(cluster, 0)
  cluster.last_epoch = cluster.last_epoch + 1  -- It is not a cluster that was never used.
end

-- A record is never deleted: one that is missing was lost, and its holder may still be there.
local function repair(cluster)
  for _, size in ipairs({call('HLEN', RECORDS), call('ZCARD', ORDER), call('HLEN', TOKENS)}) do
    if size ~= cluster.granted then return rebuild(cluster) end
  end
end

local function leftovers() return call('EXISTS', RECORDS, ORDER, TOKENS, INSTANCES) > 0 end

local function check_range(cluster, id)
  if id < cluster.min or id > cluster.max then answer('outside_range', cluster.min, cluster.max) end
end

local function check_owner(record, token)
  if record.token ~= token then
    answer(record.released and 'released_by_another' or 'granted_to_another', record.epoch)
  end
end

-- The record that renew and release are about, or the answer why there is none (G3).
local function owned_record(cluster, id, token)
  if not cluster then answer('unknown_cluster') end
  check_range(cluster, id)
  local record = find(id)
  if not record then answer('never_granted') end
  check_owner(record, token)
  return record
end

local function refuse_holding_back(cluster)
  save_cluster(cluster)
  answer('holding_back', cluster.hold_back_until_ms - cluster.clock_ms, cluster.granted)
end

local function refuse_ended(cluster, record)
  if cluster.clock_ms >= record.lease_end_ms then
    answer('ended', cluster.clock_ms - record.lease_end_ms)
  end
end

-- A server whose memory is full refuses a script's first write, unless it is one that can only free
-- memory, and then lets the others pass: for operations that take no more room than there was.
local function write_though_memory_is_full() call('HDEL', CLUSTER, '') end
