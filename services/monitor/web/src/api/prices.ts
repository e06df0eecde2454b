// Positions and prices as the stream tells them: all of them once, then only what changed.

import type { Account, PricesData, Status } from "./types";

/** `status` with the accounts of a prices event. */
export function withPrices(status: Status, data: PricesData): Status {
  const accounts = data.full ? data.accounts : merged(status.accounts, data);
  return { ...status, accounts, accounts_fetched_at: data.accounts_fetched_at };
}

function merged(known: Account[], data: PricesData): Account[] {
  const gone = new Set(data.removed.map((row) => `${row.account_id} ${row.contract_key}`));
  const changed = new Map(data.accounts.map((account) => [account.account_id, account]));
  const kept = known
    .filter((account) => !data.removed_accounts.includes(account.account_id))
    .map((account) => {
      const news = changed.get(account.account_id);
      changed.delete(account.account_id);
      const newer = new Map((news?.positions ?? []).map((row) => [row.contract_key, row]));
      const positions = account.positions
        .filter((row) => !gone.has(`${account.account_id} ${row.contract_key}`))
        .map((row) => {
          const better = newer.get(row.contract_key) ?? row;
          newer.delete(row.contract_key);
          return better;
        });
      return { ...account, ...news, positions: [...positions, ...newer.values()] };
    });
  return [...kept, ...changed.values()];
}
