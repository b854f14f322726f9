-- What wrk sends: wrk -s server_load.lua URL -- OPERATION EXPERIMENT RUNS [explain]
--
-- RUNS is a file with the ids of runs, one in a line. The last line that is printed is JSON. With
-- `explain` it has the first answer that isn't 2xx; without, wrk needn't keep answers, which is
-- quicker.

local API = "/api/2.0/mlflow/"
local KEYS, STEPS = 10, 10
local threads = {}
local headers = {["Content-Type"] = "application/json"}

local function post(path, body)
   return wrk.format("POST", API .. path, headers, body)
end

-- A run and its next step; each thread has runs of its own, so that no step comes twice.
local runs, sent = {}, 0
local function next_run()
   local run, step = runs[sent % #runs + 1], math.floor(sent / #runs)
   sent = sent + 1
   return run, step
end

local function now()
   return string.format("%d", os.time() * 1000)
end

local operations = {}

function operations.get_run()
   local requests, number = {}, 0
   for position, run in ipairs(runs) do
      requests[position] = wrk.format("GET", API .. "runs/get?run_id=" .. run, headers)
   end
   return function()
      number = number + 1
      return requests[number % #requests + 1]
   end
end

function operations.search(experiment)
   local request = post("runs/search", string.format([[{"experiment_ids": ["%s"], ]]
      .. [["filter": "metrics.m0 > 0.1 and params.p1 = '1'", ]]
      .. [["order_by": ["metrics.m1 DESC"], "max_results": 100}]], experiment))
   return function() return request end
end

function operations.log_metric()
   return function()
      local run, step = next_run()
      return post("runs/log-metric", string.format(
         '{"run_id": "%s", "key": "loss", "value": %.15f, "timestamp": %s, "step": %d}',
         run, math.random(), now(), step))
   end
end

function operations.log_batch()
   return function()
      local run, batch = next_run()
      local metrics, timestamp = {}, now()
      for step = batch * STEPS, batch * STEPS + STEPS - 1 do
         for key = 0, KEYS - 1 do
            metrics[#metrics + 1] = string.format(
               '{"key": "m%d", "value": %.15f, "timestamp": %s, "step": %d}',
               key, math.random(), timestamp, step)
         end
      end
      return post("runs/log-batch", string.format(
         '{"run_id": "%s", "metrics": [%s]}', run, table.concat(metrics, ", ")))
   end
end

function operations.create_run(experiment)
   return function()
      return post("runs/create", string.format(
         '{"experiment_id": "%s", "start_time": %s}', experiment, now()))
   end
end

function setup(thread)
   threads[#threads + 1] = thread
   thread:set("number", #threads)
end

function init(arguments)
   local operation, experiment, path, explain = unpack(arguments)
   math.randomseed(number)
   local position = 0
   for run in io.lines(path) do
      -- wrk has two threads, or one, which then gets a half of the runs.
      if position % 2 == number % 2 then runs[#runs + 1] = run end
      position = position + 1
   end
   request = operations[operation](experiment)
   if explain then
      function response(status, _, body)
         if not failure and (status < 200 or status > 299) then
            failure = status .. ": " .. body:sub(1, 500)
         end
      end
   end
end

local function quoted(text)
   return '"' .. text:gsub('[%c"\\]', function(character)
      return string.format("\\u%04x", character:byte())
   end) .. '"'
end

function done(summary, latency)
   local first
   for _, thread in ipairs(threads) do
      first = first or thread:get("failure")
   end
   local errors = summary.errors
   print(string.format(
      '{"requests": %d, "seconds": %.6f, "bytes": %d, "refused": %d, "lost": %d, '
         .. '"p50": %.3f, "p99": %.3f, "failure": %s}',
      summary.requests, summary.duration / 1e6, summary.bytes, errors.status,
      errors.connect + errors.read + errors.write + errors.timeout,
      latency:percentile(50) / 1000, latency:percentile(99) / 1000,
      first and quoted(first) or "null"))
end
