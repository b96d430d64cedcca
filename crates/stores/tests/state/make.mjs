// Writes listed.json, entries in the order of their keys' UTF-8 bytes as JSON.stringify prints
// them, and shuffled.json, the same entries in another order. Run with Node 20 or later:
//   node make.mjs
import { writeFileSync } from "node:fs";

/** UTF-8 of a string, a lone surrogate as its own three bytes. */
function bytes(text) {
  const out = [];
  for (const character of text) {
    const code = character.codePointAt(0);
    if (code >= 0xd800 && code < 0xe000) {
      out.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f));
    } else {
      out.push(...Buffer.from(character));
    }
  }
  return Buffer.from(out);
}

const keys = new Set([
  "", "\0", "\u001f", " ", '"', "\\", "/", "a", "a\0", "aa", "ab", "b", "z", "\u007f", "\u0080",
  "é", "e\u0301", "ß", "Ω", "\u07ff", "\u0800", "€", "\u2028", "\ud7ff", "\ue000", "\ufeff",
  "\uffff", "😀", "\u{10ffff}", "\ud800", "\udbff", "\udc00", "\udfff", "\ude00\ud83d",
  "x\ud800", "x\ud800y", "x😀", "x\ue000", "\ud83d\ud83d\ude00", "constructor", "__proto__",
  "user:" + "k".repeat(2000),
]);
for (let number = 0; number < 300; number += 1) {
  keys.add(`user:${number * 37 % 1000}`);
  keys.add(String.fromCharCode((number * 7919 + 13) % 0x10000));
  keys.add(String.fromCodePoint(0x10000 + (number * 104729) % 0x100000) + number % 7);
}

const values = [
  null, true, false, 0, -0, 1, -1.5, 1e21, 1e-7, 5e-324, 1.7976931348623157e308, 2 ** 53, "",
  "\ud800 lone", "tab\tquote\"back\\slash/", "\u2028\u2029\u007f", [], {}, [[], {}, [null]],
  { b: 1, a: 2, 10: 3, 9: 4 }, { "\ud83d": "\ude00" }, "long ".repeat(200),
];
const entries = [...keys].map((key, index) => {
  const record = { value: values[index % values.length], createdAt: 1704067200000 + index };
  if (index % 5 === 0) record.expiresAt = 1704067200000 + index * 1000;
  return [key, record];
});
writeFileSync("shuffled.json", JSON.stringify(entries));
entries.sort(([one], [other]) => Buffer.compare(bytes(one), bytes(other)));
writeFileSync("listed.json", JSON.stringify(entries));
