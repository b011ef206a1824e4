# Writes random property lists in both forms, and what is in them as JSON.
import base64, datetime, json, plistlib, random, struct, sys

rnd = random.Random(7)
letters = ["a", "Z", "0", " ", "&", "<", "é", "€", "😀", "\n", "\"", "'"]

def text():
    return "".join(rnd.choice(letters) for _ in range(rnd.choice([0, 1, 3, 14, 15, 16, 300])))

def value(depth):
    kind = rnd.randrange(10 if depth < 5 else 7)
    if kind == 0:
        return text()
    if kind == 1:
        return rnd.choice([0, 1, 127, 128, 255, 256, 65535, 65536, 2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1, -1, -128, -2**31, -2**63, rnd.getrandbits(rnd.randrange(1, 64))])
    if kind == 2:
        return rnd.choice([0.0, -0.5, 1e300, 5e-324, float("inf"), rnd.random(), rnd.random() * 1e9])
    if kind == 3:
        return rnd.random() < 0.5
    if kind == 4:
        return datetime.datetime(rnd.randrange(1, 10000), rnd.randrange(1, 13), rnd.randrange(1, 29), rnd.randrange(24), rnd.randrange(60), rnd.randrange(60))
    if kind == 5:
        return bytes(rnd.getrandbits(8) for _ in range(rnd.choice([0, 1, 14, 15, 100, 70000 if rnd.random() < 0.02 else 3])))
    if kind == 6:
        return shared[rnd.randrange(len(shared))]
    if kind == 7:
        return [value(depth + 1) for _ in range(rnd.choice([0, 1, 5, 17]))]
    return {text(): value(depth + 1) for _ in range(rnd.choice([0, 1, 5, 17]))}

def plain(v):
    if isinstance(v, dict):
        return {k: plain(x) for k, x in v.items()}
    if isinstance(v, list):
        return [plain(x) for x in v]
    if isinstance(v, str):
        return v
    if isinstance(v, bool):
        return "bool true" if v else "bool false"
    if isinstance(v, int):
        return "int %d" % v
    if isinstance(v, float):
        return "real %x" % struct.unpack(">Q", struct.pack(">d", v))
    if isinstance(v, bytes):
        return "data " + base64.b64encode(v).decode()
    return "date %04d-" % v.year + v.strftime("%m-%dT%H:%M:%SZ")

for i in range(100):
    shared = ["shared", 7, True]
    shared.append([value(3) for _ in range(3)])
    v = {"root": [value(0) for _ in range(4)]}
    for form in (plistlib.FMT_BINARY, plistlib.FMT_XML):
        name = "%s/%03d-%d" % (sys.argv[1], i, form is plistlib.FMT_XML)
        with open(name + ".plist", "wb") as f:
            plistlib.dump(v, f, fmt=form)
        with open(name + ".json", "w") as f:
            json.dump(plain(v), f)
