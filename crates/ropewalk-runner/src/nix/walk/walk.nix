# Finds jobs. `arguments` are the inputs by name, `path` the names of the attributes that lead to a value.
rec {
  b = builtins;
  deepest = 64;

  # As Nix calls a function that nobody gave arguments: with those that it names, or with all if it takes more.
  auto = arguments: value:
    if b.isAttrs value && value ? __functor then auto arguments (value.__functor value)
    else if !(b.isFunction value) then value
    else
      let
        xml = b.toXML value;
        names = b.functionArgs value;
        takesSet = b.length (b.split "<attrspat" xml) > 1;
        takesMore = b.length (b.split "<attrspat[^>]*ellipsis=\"1\"" xml) > 1;
        missing = b.filter (name: !names.${name} && !(arguments ? ${name})) (b.attrNames names);
      in
        if !takesSet then value
        else if missing != [] then throw "the function at this place has an argument '${b.head missing}', and there is no input of that name"
        else auto arguments (value (if takesMore then arguments else b.intersectAttrs names arguments));

  isDerivation = value: b.isAttrs value && (value.type or null) == "derivation";
  plain = b.unsafeDiscardStringContext;
  # What cannot be had of a job's description does no harm to the job.
  orNull = value: let tried = b.tryEval (b.deepSeq value value); in if tried.success then tried.value else null;
  text = value: if b.isString value then plain value else null;
  number = value: if b.isInt value then value else null;
  words = field: value:
    if b.isString value then [ (plain value) ]
    else if b.isList value then b.concatMap (words field) value
    else if b.isAttrs value && value ? ${field} then words field value.${field}
    else [];

  described = value:
    let meta = if b.isAttrs (value.meta or {}) then value.meta or {} else {}; in {
      description = orNull (text (meta.description or null));
      homepage = orNull (text (meta.homepage or null));
      license = orNull (words "shortName" (meta.license or []));
      maintainers = orNull (words "email" (meta.maintainers or []));
      priority = orNull (number (meta.schedulingPriority or null));
      timeout = orNull (number (meta.timeout or null));
      maxSilent = orNull (number (meta.maxSilent or null));
      isChannel = orNull ((meta.isChannel or false) == true || (meta.isHydraChannel or false) == true);
    };

  hasNoContext = value: b.isString value && b.getContext value == {};
  derivationsOf = value:
    if isDerivation value then [ (plain value.drvPath) ]
    else if b.isString value then b.attrNames (b.getContext value)
    else [];
  listed = value: if b.isList (value.constituents or []) then value.constituents or [] else [];

  job = path: value: {
    inherit path;
    drvPath = plain value.drvPath;
    meta = described value;
    aggregate =
      if (value._hydraAggregate or false) != true then null
      else {
        globs = (value._hydraGlobConstituents or false) == true;
        names = b.filter hasNoContext (listed value);
        derivations = b.concatMap derivationsOf (listed value);
      };
  };

  # One value with all that is in it, as a list. It finds out that something throws, not what it says.
  visit = arguments: path: raw:
    let
      tried = b.tryEval (let value = auto arguments raw; in b.seq value value);
      value = tried.value;
      found = b.tryEval (let record = job path value; in b.deepSeq record record);
      failed = [ { inherit path; failed = true; } ];
    in
      if !tried.success then failed
      else if isDerivation value then (if found.success then [ found.value ] else failed)
      else if !(b.isAttrs value) then []
      else if b.length path >= deepest then failed
      else b.concatMap (name: visit arguments (path ++ [ name ]) value.${name}) (b.attrNames value);

  # One value by itself.
  look = path: value:
    if isDerivation value then job path value
    else if b.isAttrs value then { attributes = b.attrNames value; }
    else {};

  # An aggregate that needs, besides what it refers to, these derivations: a list of { drvPath, output, outPath }.
  gather = value: constituents:
    let
      refer = c: b.appendContext c.outPath { ${c.drvPath} = { outputs = [ c.output ]; }; };
      referred = b.filter (c: !(hasNoContext c)) (listed value);
    in plain (derivation (value.drvAttrs // { constituents = referred ++ map refer constituents; })).drvPath;
}
