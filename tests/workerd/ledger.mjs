// The worker that never stops writing. After each commit, and so in every consistent copy:
//   sum(debit.amount) = sum(credit.amount) = total.amount, and
//   max(debit.id) = max(credit.id) = total.commits = the stored value "commits".
import { DurableObject } from "cloudflare:workers";

/** Rows kept in each table, so that the database stays small while its pages keep changing. */
const keptRows = 2000;

export class Ledger extends DurableObject {
  constructor(context, env) {
    super(context, env);
    const { sql } = context.storage;
    sql.exec("CREATE TABLE IF NOT EXISTS debit(id INTEGER PRIMARY KEY, amount INTEGER NOT NULL, filler BLOB)");
    sql.exec("CREATE TABLE IF NOT EXISTS credit(id INTEGER PRIMARY KEY, amount INTEGER NOT NULL, filler BLOB)");
    sql.exec("CREATE TABLE IF NOT EXISTS total(id INTEGER PRIMARY KEY CHECK (id = 1), amount INTEGER, commits INTEGER)");
    sql.exec("INSERT OR IGNORE INTO total VALUES (1, 0, 0)");
  }

  /** Commits until `milliseconds` have passed, then waits until all is on disk. */
  async fetch(request) {
    const { milliseconds, pauseMilliseconds, fillerBytes } = await request.json();
    const { storage } = this.ctx;
    const filler = new Uint8Array(fillerBytes);
    const end = Date.now() + milliseconds;
    let commits;
    do {
      filler.fill(commits ?? 0);
      commits = storage.transactionSync(() => this.commit(filler));
      await scheduler.wait(pauseMilliseconds);
    } while (Date.now() < end);
    await storage.sync();
    return Response.json({ commits });
  }

  commit(filler) {
    const { sql, kv } = this.ctx.storage;
    const commits = sql.exec("SELECT commits FROM total").one().commits + 1;
    const amount = (commits * 7919) % 1000;
    // First the one table and then the other, turn by turn.
    const order = commits % 2 === 0 ? ["debit", "credit"] : ["credit", "debit"];
    for (const table of order) {
      sql.exec(`INSERT INTO ${table} VALUES (?, ?, ?)`, commits, amount, filler);
      sql.exec(`DELETE FROM ${table} WHERE id <= ?`, commits - keptRows);
    }
    sql.exec("UPDATE total SET commits = ?, amount = (SELECT sum(amount) FROM debit)", commits);
    kv.put("commits", commits);
    return commits;
  }
}

export default {
  fetch(request, env) {
    const [, name] = new URL(request.url).pathname.split("/").map(decodeURIComponent);
    return env.Ledger.getByName(name).fetch(request);
  },
};
