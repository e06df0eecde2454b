import { useState } from "react";
import { ApiError } from "../api/client";
import { signIn } from "../api/session";
import { sentence } from "../format";
import { t } from "../i18n";

/** For a page that was opened without the link. */
export function SignIn() {
  const [token, setToken] = useState("");
  const [error, setError] = useState("");
  const submit = async () => {
    try {
      await signIn(token.trim());
    } catch (refused) {
      setError(refused instanceof ApiError ? sentence(refused.message) : t("state.unreachable"));
    }
  };
  return (
    <form className="sign-in" onSubmit={(event) => { event.preventDefault(); void submit(); }}>
      <p>{t("sign_in.why")} <code>make token</code></p>
      <div className="row">
        <label className="grow"><span className="sr">{t("sign_in.token")}</span>
          <input type="password" autoComplete="off" required placeholder={t("sign_in.token")} value={token} onChange={(event) => setToken(event.target.value)} /></label>
        <button type="submit">{t("sign_in.unlock")}</button>
      </div>
      {error ? <p className="error-text" role="alert">{error}</p> : null}
    </form>
  );
}
