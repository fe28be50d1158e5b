-- SPDX-License-Identifier: MIT
-- Closures, coroutines, the string library, files, processes: each is compared with what it must be.
local function same(got, wanted, what)
	if got ~= wanted then
		error(("%s: %s, not %s"):format(what, tostring(got), tostring(wanted)), 2)
	end
end

local function counter()
	local n = 0
	return function(by)
		n = n + (by or 1)
		return n
	end
end

local a, b = counter(), counter()
a() a(10)
same(a(), 12, "one closure")
same(b(), 1, "another closure")

local function primes(limit)
	return coroutine.wrap(function()
		for n = 2, limit do
			local prime = true
			for d = 2, math.floor(math.sqrt(n)) do
				if n % d == 0 then prime = false break end
			end
			if prime then coroutine.yield(n) end
		end
	end)
end

local sum = 0
for p in primes(2000) do sum = sum + p end
same(sum, 277050, "sum of primes")

local count = {}
for word in ("the cat and the dog and the bird"):gmatch("%a+") do
	count[word] = (count[word] or 0) + 1
end
local words = {}
for word in pairs(count) do words[#words + 1] = word end
table.sort(words, function(x, y) return count[x] > count[y] or count[x] == count[y] and x < y end)
same(table.concat(words, " "), "the and bird cat dog", "words by count")
same(("x = %5.2f|%-4s|%q|%x"):format(math.pi, "ab", "q\n", 255), 'x =  3.14|ab  |"q\\\n"|ff', "format")
same(("hello"):gsub("l", { l = "L" }), "heLLo", "gsub")
same(string.unpack("<i4", string.pack("<i4", -7)), -7, "pack")
same(utf8.len("größe"), 5, "utf8")
same(select(2, pcall(error, "thrown")), "thrown", "pcall")
same(1e15 // 7, 142857142857142.0, "floor division")
same(math.maxinteger + 1, math.mininteger, "integers wrap")

local name = os.tmpname()
local f = assert(io.open(name, "w+"))
for n = 1, 5000 do f:write(n, "\n") end
f:seek("set", 0)
local total = 0
for line in f:lines("n") do total = total + line end
same(total, 12502500, "numbers read back")
same(f:seek("end"), 23893, "size")
f:close()
assert(os.rename(name, name .. ".renamed"))
same(io.open(name), nil, "a name that is gone")
assert(os.remove(name .. ".renamed"))

local p = assert(io.popen("echo from a child; exit 3"))
same(p:read("a"), "from a child\n", "popen")
same(select(3, p:close()), 3, "status of popen")
same(select(3, os.execute("kill -9 $$")), 9, "signal of a child")
same(os.date("!%Y-%m-%d %H:%M:%S", 86400 * 365), "1971-01-01 00:00:00", "date")

local t = setmetatable({}, { __mode = "k", __index = function(_, k) return k * 2 end })
for n = 1, 20000 do t[{}] = n end
collectgarbage()
same(next(t), nil, "weak keys collected")
same(t[21], 42, "__index")
print("all as expected")
