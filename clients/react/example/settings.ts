/** Where this page's services answer: public/settings.json, so that a build serves every place. */
export interface Settings {
  gatepost: string;
  clerk: string;
}

export async function readSettings(): Promise<Settings> {
  const answer = await fetch("/settings.json");
  return answer.json();
}
