import { Component, type ReactNode } from "react";
import { t } from "../i18n";

interface Props { children: ReactNode }

/** A page that cannot be drawn says so and leaves the others, the lamp in the header among them, as they are. */
export class Boundary extends Component<Props, { error: Error | null }> {
  override state: { error: Error | null } = { error: null };

  static getDerivedStateFromError(error: Error) {
    return { error };
  }

  override render() {
    const { error } = this.state;
    if (error === null) return this.props.children;
    return (
      <div className="panel empty failed" role="alert"><p>{t("state.broken")}</p><p className="hint">{error.message}</p>
        <button type="button" onClick={() => this.setState({ error: null })}>{t("action.try_again")}</button></div>
    );
  }
}
