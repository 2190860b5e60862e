-- SPDX-License-Identifier: MIT
--
-- What every script of the Redis store does where its quick path does not serve. The scripts are the
-- second copy of src/rules.cpp: change both together.
--
-- KEYS, all of one cluster and in one hash slot, none with a time to live (those are evicted first):
--   cluster    hash: '' -> the cluster; worker ID in 4 bytes -> record; token in 16 -> worker ID
--   order      sorted set: worker ID in 4 bytes, so that ties order by number -> free_at_ms
--   instances  hash: instance -> worker ID that was recorded for it last
-- Numbers are packed: to format and parse them would cost as much as the commands do. What a renewal
-- changes is the order alone: a lease ends before its free_at_ms by the reuse delay that it was written
-- with, and the reserved timestamps move on with its end.
--
-- An answer is an array that begins with a word, or a packed grant; redis_store.cpp says what each
-- means.

local CLUSTER, ORDER, INSTANCES = KEYS[1], KEYS[2], KEYS[3]

local FORMAT = 6
local LARGEST_CLOCK_LEAD_MS = 60000
local CONFIGURATION = {'min', 'max', 'lease_ms', 'reuse_delay_ms', 'cool_down_ms'}
-- First what each grant changes, then what a client's configuration is compared with.
local CLUSTER_NUMBERS = {
  'last_epoch', 'next_fresh', 'granted', 'min', 'max', 'lease_ms', 'reuse_delay_ms', 'cool_down_ms',
  'format', 'incarnation_began', 'last_wall_ms', 'clock_ms', 'hold_back_until_ms',
  'lost_timestamps_ms', 'witness_boot_ms', 'latest_client_ms', 'proven',
}
local CLUSTER_FORM, CLUSTER_BYTES = '>ddddddddddddddddd', 136
local RECORD_NUMBERS = {
  'epoch', 'first_ms', 'lead_ms', 'floor_ms', 'lease_ms', 'reuse_delay_ms',
}
local RECORD_FORM, RECORD_BYTES = '>ddddI4I4', 57  -- Behind a byte and the token; without the names.
local MOST_BYTES = 4096  -- Of a cluster or a record with its names: no client writes half as many.

-- Ends the operation with this answer.
local function answer(...) error({...}, 0) end

local function damaged(key, what) answer('damaged', key, what) end

-- Runs a command. With redis.pcall an error keeps its text on every version of the server.
local function call(...)
  local reply = redis.pcall(...)
  if type(reply) == 'table' and reply.err then error({failure = reply.err}, 0) end
  return reply
end

-- Runs the operation and returns its answer. (From Redis 7 on, pcall makes text of a table that has
-- the field err; so what a command failed with travels under another name.)
local function operation(decide)
  local done, result = pcall(decide)
  if done or type(result) == 'table' and not result.failure then return result end
  if type(result) ~= 'table' then
    return redis.error_reply('ERR workerid script: ' .. tostring(result))
  end
  return {err = result.failure}
end

-- The client: its wall clock and boot clock in ms, and the name of its machine.
local client = {}
client.wall_ms, client.boot_ms = struct.unpack('>dd', CLIENT)
client.machine = CLIENT:sub(17)

-- The server's wall clock, read once: it moves on while a script runs.
local wall_us = time[1] * 1000000 + time[2]

local function longest_step_ms(lease_ms) return math.max(1, math.floor(lease_ms / 4)) end

local function agree(one_ms, other_ms, lease_ms)
  return math.abs(one_ms - other_ms) <= math.floor(longest_step_ms(lease_ms) / 2)
end

-- What a boot clock showed is of use only if the request did not take long to come: time that had
-- passed before it was executed would count twice. Wall clocks that agree say so, whichever of them is
-- ahead, to within a quarter of the lease time, if no request that was executed before shows that this
-- one is late and the server's clock as much behind; and if they still agree at the next operation,
-- the server's did not step alone.
local function in_time(cluster)
  return agree(client.wall_ms, wall_ms, cluster.lease_ms) and
    agree(math.max(cluster.latest_client_ms, client.wall_ms), client.wall_ms, cluster.lease_ms)
end

-- A client whose clock is far ahead makes others late for a lease time at most.
local function latest_client_ms(cluster)
  return math.min(math.max(cluster.latest_client_ms, client.wall_ms), wall_ms + cluster.lease_ms)
end

-- Counts on from now_ms, also where little time passed.
local function keep_clock(cluster)
  local boot_ms = client.boot_ms
  if client.machine == cluster.witness then boot_ms = math.max(boot_ms, cluster.witness_boot_ms) end
  cluster.witness = in_time(cluster) and client.machine or ''
  cluster.witness_boot_ms, cluster.latest_client_ms = boot_ms, latest_client_ms(cluster)
  cluster.clock_ms, cluster.last_wall_ms = cluster.now_ms, wall_ms
end

-- Advances the cluster's clock, which deadlines are counted on, and returns whether it has to be saved.
-- A wall clock steps, so one operation advances it by a quarter of the lease time at the most. The full
-- time is credited where a boot clock, which does not step, bears it out: the same machine's at the
-- last operation and now. A small advance is not kept, so that it need not be written: the next
-- operation counts it again. But where a clock disputes it the server's may have stepped back, and then
-- much more passed since the witness spoke: it counts no longer.
local function advance_clock(cluster)
  local passed, most = wall_ms - cluster.last_wall_ms, longest_step_ms(cluster.lease_ms)
  local on_witness = client.machine ~= '' and client.machine == cluster.witness
  local shown = client.boot_ms - cluster.witness_boot_ms
  local disputed = cluster.witness ~= '' and (not agree(client.wall_ms, wall_ms, cluster.lease_ms) or
    on_witness and shown > passed + most)
  local news = latest_client_ms(cluster) > cluster.latest_client_ms + math.floor(most / 2)
  local soon = passed >= 0 and 16 * (passed + 1) <= cluster.lease_ms
  cluster.now_ms = cluster.clock_ms + passed
  if soon and not disputed and not news then return false end
  local credit = math.max(0, math.min(passed, most))
  if on_witness and in_time(cluster) then credit = math.max(credit, math.min(passed, shown)) end
  cluster.now_ms = cluster.clock_ms + credit
  keep_clock(cluster)
  return true
end

-- Exact in a double.
local function is_whole(number) return number == math.floor(number) and math.abs(number) < 2^53 end

local function unpack_cluster(packed)
  local format = #packed >= 72 and struct.unpack('>d', packed, 65)  -- It stays where it is.
  if format and is_whole(format) and format ~= FORMAT then answer('other_format', format, FORMAT) end
  if #packed < CLUSTER_BYTES or #packed > MOST_BYTES then damaged(CLUSTER, 'the cluster') end
  local values = {struct.unpack(CLUSTER_FORM, packed)}
  local cluster = {}
  for index, name in ipairs(CLUSTER_NUMBERS) do
    if not is_whole(values[index]) then damaged(CLUSTER, "the cluster's " .. name) end
    cluster[name] = values[index]
  end
  cluster.replication, cluster.incarnation, cluster.witness =
    packed:match('^([^\t]*)\t([^\t]*)\t([^\t]*)$', CLUSTER_BYTES + 1)
  if not cluster.witness then damaged(CLUSTER, "the cluster's names") end
  return cluster
end

local function read_cluster()
  local packed = call('HGET', CLUSTER, '')
  if packed then return unpack_cluster(packed) end
  local format = call('HGET', CLUSTER, 'format')  -- Of the former formats.
  if format and #format <= 15 and format:match('^%d+$') then answer('other_format', tonumber(format), FORMAT) end
  if call('EXISTS', CLUSTER) > 0 then damaged(CLUSTER, 'the cluster') end
end

local function save_cluster(cluster)
  local values = {}
  for index, name in ipairs(CLUSTER_NUMBERS) do values[index] = cluster[name] end
  call('HSET', CLUSTER, '', struct.pack(CLUSTER_FORM, unpack(values)) ..
    table.concat({cluster.replication, cluster.incarnation, cluster.witness}, '\t'))
end

-- The cluster with its clock advanced, or nil if there is none. The clock is saved at once: an
-- operation that is refused moves it too, or a full cluster whose holders died would never age.
local function open_cluster()
  local cluster = read_cluster()
  if cluster and advance_clock(cluster) then save_cluster(cluster) end
  return cluster
end

local function new_cluster(configuration)
  local cluster = {
    format = FORMAT, last_epoch = 0, next_fresh = configuration.min, granted = 0,
    now_ms = 0, witness = '', witness_boot_ms = client.boot_ms, latest_client_ms = 0,
    incarnation = '', replication = '', incarnation_began = 0, hold_back_until_ms = 0,
    lost_timestamps_ms = 0, proven = 0,
  }
  for _, name in ipairs(CONFIGURATION) do cluster[name] = configuration[name] end
  keep_clock(cluster)
  return cluster
end

local function unpack_configuration(packed)
  local configuration = {}
  for index, value in ipairs({struct.unpack('>ddddd', packed)}) do
    if CONFIGURATION[index] then configuration[CONFIGURATION[index]] = value end
  end
  return configuration
end

local function configuration_of(cluster)
  return cluster.min, cluster.max, cluster.lease_ms, cluster.reuse_delay_ms, cluster.cool_down_ms
end

local function key_of(id) return struct.pack('>I4', id) end

-- `free_at_ms` is nil where the order lost it.
local function unpack_record(key, packed, free_at_ms)
  local id = struct.unpack('>I4', key)
  local record = {id = id, free_at_ms = tonumber(free_at_ms)}
  local released = packed:sub(1, 1)
  if #packed <= RECORD_BYTES or #packed > MOST_BYTES or (released ~= '\0' and released ~= '\1') then
    damaged(CLUSTER, 'the record of worker ID ' .. id)
  end
  record.token, record.released = packed:sub(2, 17), released == '\1'
  for index, value in ipairs({struct.unpack(RECORD_FORM, packed, 18)}) do
    if RECORD_NUMBERS[index] then
      if not is_whole(value) then damaged(CLUSTER, 'the record of worker ID ' .. id) end
      record[RECORD_NUMBERS[index]] = value
    end
  end
  record.instance, record.owner = packed:match('^([^\t]*)\t([^\t]*)$', RECORD_BYTES + 1)
  if not record.owner then damaged(CLUSTER, 'the record of worker ID ' .. id) end
  record.saved_token, record.saved_instance = record.token, record.instance
  if record.free_at_ms then
    record.lease_end_ms = record.free_at_ms - record.reuse_delay_ms
    record.last_ms = record.lease_end_ms + record.lead_ms
  end
  return record
end

local function save_record(record)
  local key = key_of(record.id)
  -- An instance has the ID of its latest lease, whichever was renewed last.
  local another = record.saved_token ~= record.token or record.saved_instance ~= record.instance
  -- Everything is read before anything is written: a key of a wrong type must not leave half of it.
  local named = another and call('HGET', INSTANCES, record.instance)
  local was_named = another and record.saved_instance and
    call('HGET', INSTANCES, record.saved_instance)

  call('HSET', CLUSTER, key, table.concat({
    record.released and '\1' or '\0', record.token,
    struct.pack(RECORD_FORM, record.epoch, record.first_ms,
      record.last_ms - (record.free_at_ms - record.reuse_delay_ms), record.floor_ms,
      record.lease_ms, record.reuse_delay_ms),
    record.instance, '\t', record.owner,
  }), record.token, key)
  call('ZADD', ORDER, record.free_at_ms, key)
  if record.saved_token and record.saved_token ~= record.token then
    call('HDEL', CLUSTER, record.saved_token)
  end
  if not another then return end
  if record.saved_instance ~= record.instance and was_named == key then
    call('HDEL', INSTANCES, record.saved_instance)
  end
  if record.instance ~= '' and named ~= key then call('HSET', INSTANCES, record.instance, key) end
end

-- The client's wall clock as far as it may reserve timestamps.
local function believed_wall_ms()
  return math.max(0, math.min(client.wall_ms, wall_ms + LARGEST_CLOCK_LEAD_MS))
end

-- Never shortens: what an earlier, longer promise gave still holds. The reserved timestamps move on
-- with the lease where they then end about when it does by the client's clock.
local function extend(cluster, record)
  local before_ms = record.lease_end_ms
  record.lease_end_ms = math.max(before_ms, record.free_at_ms - cluster.reuse_delay_ms,
    cluster.now_ms + cluster.lease_ms)
  record.free_at_ms = record.lease_end_ms + cluster.reuse_delay_ms
  local needed_ms = believed_wall_ms() + cluster.lease_ms
  local moved_ms = record.last_ms + record.lease_end_ms - before_ms
  if math.abs(moved_ms - needed_ms) <= math.floor(cluster.lease_ms / 64) then
    record.last_ms = moved_ms
  else
    record.last_ms = math.max(record.last_ms, needed_ms)
  end
  record.lease_ms, record.reuse_delay_ms = cluster.lease_ms, cluster.reuse_delay_ms
end

-- Where a promise still runs, as when it is taken over, whoever gave the word that its holder is gone may
-- be wrong: nobody else gets the ID before the end that was promised (G1).
local function replace_holder(cluster, record)
  record.floor_ms = cluster.now_ms < record.free_at_ms and record.free_at_ms or 0
  record.lease_end_ms = cluster.now_ms
end

local function next_epoch(cluster) return math.max(cluster.last_epoch + 1, wall_us) end

-- A new grant: a greater epoch (G4), and timestamps above all that were reserved (G8).
local function grant_anew(cluster, record)
  cluster.last_epoch = next_epoch(cluster)
  record.epoch = cluster.last_epoch
  record.first_ms = math.max(record.last_ms, cluster.lost_timestamps_ms, believed_wall_ms() - 1) + 1
  extend(cluster, record)
  record.last_ms = record.first_ms + cluster.lease_ms
end

local function grant(cluster, record)
  return struct.pack('>ddddd', record.id, record.epoch, record.first_ms, record.last_ms,
    cluster.lease_ms)
end

-- What the server tells of its own past (G7); the incarnation is empty where it may not be asked. A
-- promotion, and nothing else, gives a server another second replication ID; a start gives it another
-- run ID. With each of them it takes another first one, and at times without.
local function read_history()
  local function info(section)
    local reply = redis.pcall('INFO', section)
    return type(reply) == 'string' and reply or ''
  end
  local server, replication = info('server'), info('replication')
  local run_id, former_id = server:match('run_id:(%w+)'), replication:match('master_replid2:(%w+)')
  local id = replication:match('master_repl(id:%w+)')
  -- A replica that may be written to would grant what its master grants.
  if replication:find('role:', 1, true) and not replication:find('role:master\r', 1, true) then
    error({failure = 'READONLY workerid grants on a master alone'}, 0)
  end
  if not run_id or not former_id or not id then return {incarnation = '', replication = ''} end
  return {
    -- 64 random bits of each tell them apart; every byte costs time in the scripts.
    incarnation = run_id:sub(1, 16) .. ':' .. former_id:sub(1, 16),
    replication = id:sub(1, 19),
    promoted = former_id:find('[^0]') ~= nil,
    -- The difference of two whole seconds.
    uptime_ms = 1000 * math.max(0, (tonumber(server:match('uptime_in_seconds:(%d+)')) or 0) - 1),
    evicted = function() return not info('stats'):find('evicted_keys:0\r') end,
  }
end

local function hold_back_ms(cluster) return cluster.lease_ms + cluster.reuse_delay_ms end

local function holds_back(cluster) return cluster.now_ms < cluster.hold_back_until_ms end

-- Something may have been lost: whoever holds an ID has a time from then on to register it anew (G7).
-- Neither a witness of the time before nor this request, which may have been long on its way, may shorten
-- that.
local function hold_back(cluster, lost_ago_ms)
  keep_clock(cluster)
  cluster.witness = ''
  cluster.last_epoch = next_epoch(cluster)
  cluster.incarnation_began = cluster.last_epoch
  cluster.hold_back_until_ms = cluster.now_ms + math.max(0, hold_back_ms(cluster) - lost_ago_ms)
  -- The most that a lost grant can have reserved, also when its holder's time is over (G8).
  cluster.lost_timestamps_ms = math.max(cluster.lost_timestamps_ms,
    wall_ms - lost_ago_ms + LARGEST_CLOCK_LEAD_MS + cluster.lease_ms)
end

-- Compares the server with what was noted of it, and holds back if it forgot or went back (G7).
local function notice_loss(cluster, seen_epoch, history)
  local another = history.incarnation ~= '' and cluster.incarnation ~= '' and
    history.incarnation ~= cluster.incarnation
  local unknown = seen_epoch > cluster.last_epoch
  if history.incarnation ~= '' then
    cluster.incarnation, cluster.replication = history.incarnation, history.replication
  end
  cluster.last_epoch = math.max(cluster.last_epoch, seen_epoch)
  if another or (unknown and not holds_back(cluster)) then
    hold_back(cluster, 0)
  elseif unknown then
    cluster.incarnation_began = seen_epoch
  end
end

local function latest_free_at_ms(cluster)
  return cluster.now_ms + cluster.lease_ms + cluster.reuse_delay_ms + cluster.cool_down_ms
end

-- Keys are evicted or deleted one by one, and fields by hand. Whatever is left of the records counts;
-- when each comes free is made anew of them where it was lost, as late as it can have been.
local function rebuild(cluster)
  call('ZCARD', ORDER)  -- Deletes nothing that is not ours.
  call('HLEN', INSTANCES)
  save_cluster(cluster)
  local all, records = call('HGETALL', CLUSTER), {}
  for index = 1, #all, 2 do
    local key = all[index]
    if #key == 4 then
      records[#records + 1] = unpack_record(key, all[index + 1], call('ZSCORE', ORDER, key))
    elseif #key == 16 then
      call('HDEL', CLUSTER, key)
    end
  end
  call('DEL', ORDER, INSTANCES)
  cluster.granted, cluster.next_fresh = #records, cluster.min
  for _, record in ipairs(records) do
    local key = key_of(record.id)
    call('ZADD', ORDER, record.free_at_ms or math.max(latest_free_at_ms(cluster), record.floor_ms), key)
    call('HSET', CLUSTER, record.token, key)
    if record.instance ~= '' then call('HSET', INSTANCES, record.instance, key) end
    cluster.last_epoch = math.max(cluster.last_epoch, record.epoch)
  end
  hold_back(cluster, 0)
  cluster.proven = 1
end

-- A record is never deleted: one that is missing was lost, and its holder may still be there. Each has
-- a token, and stands in the order.
local function repair(cluster)
  if call('HLEN', CLUSTER) ~= 1 + 2 * cluster.granted or call('ZCARD', ORDER) ~= cluster.granted then
    rebuild(cluster)
    save_cluster(cluster)
  end
end

-- The record of a worker ID, or nil.
local function find(cluster, id)
  local key = key_of(id)
  local packed, free_at_ms = call('HGET', CLUSTER, key), call('ZSCORE', ORDER, key)
  if packed and not free_at_ms then
    rebuild(cluster)
    save_cluster(cluster)
    free_at_ms = call('ZSCORE', ORDER, key)
  end
  return packed and unpack_record(key, packed, free_at_ms)
end

-- The record that an index names for a key, if it bears the index out, or nil.
local function find_by(cluster, index, field, name)
  local key = name ~= '' and call('HGET', index, name)
  local record = key and #key == 4 and find(cluster, struct.unpack('>I4', key))
  return record and record[field] == name and record
end

local function leftovers() return call('EXISTS', ORDER, INSTANCES) > 0 end

local function in_range(configuration, id)
  return id >= configuration.min and id <= configuration.max
end

local function check_range(cluster, id)
  if not in_range(cluster, id) then answer('outside_range', cluster.min, cluster.max) end
end

local function check_owner(record, token)
  if record.token ~= token then
    answer(record.released and 'released_by_another' or 'granted_to_another', record.epoch)
  end
end

-- The record that renew and release are about, or the answer why there is none (G3).
local function owned_record(cluster, id, token)
  if not cluster then answer('unknown_cluster') end
  local record = find(cluster, id)
  if not record then  -- Who has one outside the range was granted it before a resize.
    check_range(cluster, id)
    answer('never_granted')
  end
  check_owner(record, token)
  return record
end

-- Whether the claim that nobody ever used it may be true.
local function may_be_fresh(cluster) return cluster.granted == 0 and cluster.proven == 0 end

local function refuse_holding_back(cluster)
  save_cluster(cluster)
  answer('holding_back', cluster.hold_back_until_ms - cluster.now_ms, may_be_fresh(cluster) and 1 or 0)
end

-- Since the last loss. Neither a restoration nor a held renewal makes a lease so: both may have been under
-- way since before it, and they keep its epoch.
local function granted_in_this_incarnation(cluster, record)
  return record.epoch > cluster.incarnation_began
end

local function refuse_ended(cluster, record)
  if cluster.now_ms >= record.lease_end_ms then
    answer('ended', cluster.now_ms - record.lease_end_ms)
  end
end

-- A server whose memory is full refuses a script's first write, unless it is one that can only free
-- memory, and then lets the others pass: for operations that take no more room than there was.
local function write_though_memory_is_full() call('HDEL', CLUSTER, 'no field') end

-- Refuses a user who may not do all that may be needed, before anything is changed: half of an operation
-- would look like a loss. Each command is tried so that it changes nothing; but HSET, which cannot be:
-- what is changed first is always a field of CLUSTER, by HSET.
local function check_permissions()
  local none, no_key = 'no field', CLUSTER:gsub('cluster$', 'nothing')
  local tries = {
    {'ZADD', ORDER, 'XX', 0, none}, {'HDEL', CLUSTER, none}, {'HDEL', INSTANCES, none},
    {'HGET', INSTANCES, none}, {'HEXISTS', CLUSTER, none}, {'HLEN', INSTANCES},
    {'ZSCORE', ORDER, none}, {'ZCARD', ORDER}, {'ZRANGE', ORDER, 0, 0}, {'EXISTS', ORDER, INSTANCES},
    {'HGETALL', no_key}, {'DEL', no_key},
  }
  for _, try in ipairs(tries) do
    local reply = redis.pcall(unpack(try))
    local err = type(reply) == 'table' and reply.err
    -- A key of another type is refused where it is used. Who may use the keys need not be allowed others.
    local is_borne = err and (err:find('WRONGTYPE', 1, true) or try[2] == no_key and
      not (err:find("can't run this command", 1, true) or err:find("to run the '", 1, true)))
    if err and not is_borne then error({failure = err}, 0) end
  end
end
