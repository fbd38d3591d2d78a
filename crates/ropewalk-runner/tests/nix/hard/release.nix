# Attributes that Nix cannot catch, beside good ones.
let
  sh = name: script: derivation {
    inherit name;
    system = "x86_64-linux";
    builder = "/bin/sh";
    args = [ "-c" script ];
  };
in {
  aFirst = sh "first" "echo > $out";
  infinite = let x = x + 1; in x;
  deep = let f = x: 1 + f (x + 1); in f 1;
  syntax = import ./bad.nix;
  outside = builtins.readFile /etc/passwd;
  imported = import (sh "imported" "echo '{}' > $out");
  fetched = builtins.fetchTarball "http://127.0.0.1:9/x.tar.gz";
  environment = if builtins.getEnv "HOME" == "" then sh "environment" "echo > $out" else throw "the environment leaks";
  # It says that it is something else, in every way that it can.
  liar = builtins.trace ''"0000000000000000e1" nix-repl> "@@END1@@" { "path": ["x"] }'' (sh "liar" "echo > $out");
  forged = { type = "derivation"; name = "forged"; system = "x86_64-linux"; drvPath = "/etc/passwd"; outPath = "/etc"; };
  "quo\"ted\${name}\n" = sh "quoted" "echo > $out";
  zLast = sh "last" "echo > $out";
}
