-- SPDX-License-Identifier: MIT
--
-- Grants a worker ID: design, section 3, acquire.
--
-- ARGV: the token; the configuration; the client; the instance; the owner; 1 for fresh and 2 for a user
-- who was granted one before, and is allowed what that takes, the seen epoch, and of a takeover the epoch
-- and the tokens; what the script cache says of the cluster, if it was asked.
--
-- A cluster that is not there was never there, or was lost. Whether it was seen before in this life of
-- the server, its script cache tells, which no FLUSHALL empties: clients keep a script there that bears
-- the cluster's name. A script cannot look into the cache, so it sends the client to ask.

local time = redis.call('TIME')
local wall_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local CLIENT = ARGV[3]

-- The quick path: no instance, a known cluster of this configuration and incarnation, a new token,
-- little time since the clock was saved, and no clock that disputes it. While a server is neither
-- started nor promoted it keeps its replication ID, which costs less to look at than all that is
-- compared where it changed.
if ARGV[4] == '' and not ARGV[7] then
  local history = redis.pcall('INFO', 'replication')
  local cluster = redis.pcall('HGET', KEYS[1], '')
  if type(cluster) == 'string' and #cluster > 155 and cluster:find(ARGV[2], 25, true) == 25 and
    type(history) == 'string' and history:find(cluster:sub(137, 155), 1, true) and
    history:find('role:master\r', 1, true) and not redis.pcall('HGET', KEYS[1], ARGV[1]) then
    local last_epoch, next_fresh, granted, min, max, lease_ms, reuse_delay_ms, cool_down_ms, format,
      _, last_wall_ms, clock_ms, hold_back_until_ms, lost_timestamps_ms, witness_boot_ms,
      latest_client_ms = struct.unpack('>dddddddddddddddd', cluster)
    local claims, seen_epoch = struct.unpack('>Bd', ARGV[6])
    local function done(...) return type(redis.pcall(...)) == 'number' end
    local passed = wall_ms - last_wall_ms
    local now_ms = clock_ms + passed
    local client_ms, boot_ms = struct.unpack('>dd', CLIENT)
    -- undisputed.lua
    if format == 6 and granted > 0 and seen_epoch <= last_epoch and passed >= 0 and
      16 * (passed + 1) <= lease_ms and undisputed and now_ms >= hold_back_until_ms then
      local id, key, reserved_ms, former, former_token
      if next_fresh <= max then
        if granted == next_fresh - min and redis.pcall('ZCARD', KEYS[2]) == granted then
          id, key, reserved_ms = next_fresh, struct.pack('>I4', next_fresh), 0
          next_fresh, granted = next_fresh + 1, granted + 1
        end
      else
        local first = redis.pcall('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
        local free_at_ms = tonumber(first[2])
        local candidate = free_at_ms and #first[1] == 4 and struct.unpack('>I4', first[1])
        -- A resize leaves those outside the range in the order.
        candidate = candidate and candidate >= min and candidate <= max and candidate
        if candidate and free_at_ms > now_ms then
          return {'all_taken', max - min + 1, free_at_ms - now_ms}
        end
        former = candidate and redis.pcall('HGET', KEYS[1], first[1])
        if former and #former > 57 and former:byte(58) == 9 then  -- Of no instance.
          id, key, former_token = candidate, first[1], former:sub(2, 17)
          reserved_ms = struct.unpack('>d', former, 34) + free_at_ms - struct.unpack('>I4', former, 54)
        end
      end
      -- What comes after HSET is known to be allowed, as in check_permissions(); a full memory refuses
      -- ZADD, and what comes after HDEL no more.
      if id and (claims >= 2 or done('ZADD', KEYS[2], 'XX', 0, 'no field') and
          done('HDEL', KEYS[1], 'no field')) then
        local epoch = math.max(last_epoch + 1, time[1] * 1000000 + time[2])
        local believed_ms = math.max(0, math.min(client_ms, wall_ms + 60000))
        local first_ms = math.max(reserved_ms, lost_timestamps_ms, believed_ms - 1) + 1
        local record = '\0' .. ARGV[1] ..
          struct.pack('>ddddI4I4', epoch, first_ms, first_ms - now_ms, 0, lease_ms, reuse_delay_ms) ..
          '\t' .. ARGV[5]
        local counters = struct.pack('>ddd', epoch, next_fresh, granted)
        if done('HSET', KEYS[1], '', counters .. cluster:sub(25), key, record, ARGV[1], key) then
          if (not former_token or done('HDEL', KEYS[1], former_token)) and
            done('ZADD', KEYS[2], now_ms + lease_ms + reuse_delay_ms, key) then
            return struct.pack('>ddddd', id, epoch, first_ms, first_ms + lease_ms, lease_ms)
          end
          -- Allowed no more: nothing must have changed. Who may not even do this is told below.
          redis.pcall('HSET', KEYS[1], '', cluster)
          redis.pcall('HDEL', KEYS[1], ARGV[1])
          if former_token then
            redis.pcall('HSET', KEYS[1], key, former, former_token, key)
          else
            redis.pcall('HDEL', KEYS[1], key)
          end
        end
      end
    end
  end
end

-- common.lua

-- How long ago the server may have lost the cluster, or nil if it tells nothing (G7 is off).
local function lost_ago_ms(history, asked)
  if history.incarnation == '' then return nil end
  if history.promoted or asked == 'seen' or history.evicted() then return 0 end
  if asked ~= history.incarnation then answer('unknown_cluster', history.incarnation) end
  return history.uptime_ms  -- It started without it.
end

-- The ID of the range that is free for the longest, or nil.
local function longest_free(cluster)
  local first, count = 0, 1
  while true do
    local ids = call('ZRANGE', ORDER, first, first + count - 1)
    for _, key in ipairs(ids) do
      if #key ~= 4 then return nil end
      local id = struct.unpack('>I4', key)
      if in_range(cluster, id) then return find(cluster, id) end
    end
    if #ids < count then return nil end
    first, count = first + count, 100
  end
end

-- The record of an instance: the one with the last of the tokens that a takeover names, or else the
-- latest one; and whether the takeover names it.
local function find_former(cluster, instance, epoch, tokens)
  for first = #tokens - 15, 1, -16 do
    local record = find_by(cluster, CLUSTER, 'token', tokens:sub(first, first + 15))
    if record and record.instance == instance then return record, true end
  end
  local record = find_by(cluster, INSTANCES, 'instance', instance)
  return record, record and record.epoch == epoch
end

return operation(function()
  local token, instance, owner = ARGV[1], ARGV[4], ARGV[5]
  local claims, seen_epoch, named_epoch = struct.unpack('>Bdd', ARGV[6])
  local fresh = claims % 2
  local named_tokens = ARGV[6]:sub(18)
  local wanted = unpack_configuration(ARGV[2])

  local history = read_history()
  check_permissions()
  local cluster = open_cluster()
  if not cluster then
    cluster = new_cluster(wanted)
    if leftovers() then
      rebuild(cluster)
    elseif seen_epoch > 0 then
      hold_back(cluster, 0)
    elseif fresh == 0 then
      local ago_ms = lost_ago_ms(history, ARGV[7])
      if ago_ms then hold_back(cluster, ago_ms) end
    end
    save_cluster(cluster)
  end
  for _, name in ipairs(CONFIGURATION) do
    if cluster[name] ~= wanted[name] then answer('other_configuration', configuration_of(cluster)) end
  end
  repair(cluster)
  notice_loss(cluster, seen_epoch, history)
  -- A lease that was granted or restored belies the claim, and so does, for good, whoever saw one.
  if seen_epoch > 0 then cluster.proven = 1 end
  if fresh == 1 and may_be_fresh(cluster) then
    cluster.hold_back_until_ms, cluster.lost_timestamps_ms = cluster.now_ms, 0
  end
  if holds_back(cluster) then refuse_holding_back(cluster) end

  local record = find_by(cluster, CLUSTER, 'token', token)
  if record then -- G5: the same grant again
    check_range(cluster, record.id)
    if record.released then answer('token_used_up') end
    if granted_in_this_incarnation(cluster, record) then
      extend(cluster, record)
    else  -- Who was granted it next, and reserved what, may have been lost.
      grant_anew(cluster, record)
    end
    save_cluster(cluster)
    save_record(record)
    return grant(cluster, record)
  end

  local named
  record, named = find_former(cluster, instance, named_epoch, named_tokens)
  if not record or not in_range(cluster, record.id) or
    not (cluster.now_ms >= record.free_at_ms or named) then
    -- Some of those that were never granted in this incarnation were restored.
    while cluster.next_fresh <= cluster.max and
      call('HEXISTS', CLUSTER, key_of(cluster.next_fresh)) == 1 do
      cluster.next_fresh = cluster.next_fresh + 1
    end
    if cluster.next_fresh <= cluster.max then
      record = {id = cluster.next_fresh, last_ms = 0, free_at_ms = 0}
      cluster.next_fresh = cluster.next_fresh + 1
      cluster.granted = cluster.granted + 1
    else
      record = longest_free(cluster)
      if not record then damaged(ORDER, 'the entry of the ID that is free for the longest') end
      if cluster.now_ms < record.free_at_ms then
        answer('all_taken', cluster.max - cluster.min + 1, record.free_at_ms - cluster.now_ms)
      end
    end
  end

  record.token, record.instance, record.owner, record.released = token, instance, owner, false
  replace_holder(cluster, record)
  grant_anew(cluster, record)
  save_cluster(cluster)
  save_record(record)
  return grant(cluster, record)
end)
