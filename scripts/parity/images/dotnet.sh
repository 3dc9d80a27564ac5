#!/usr/bin/env bash
# .NET: the dependencies that pythonnet ships (from PyPI), and an application published with its own runtime, whose record is
# written here with the sections that the SDK writes.
set -euo pipefail
mkdir -p "$1/root/app" "$1/root/opt"
python3 -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --only-binary :all: --target "$1/root/opt" pythonnet==3.0.3
cat >"$1/root/app/Shop.deps.json" <<'JSON'
{
  "runtimeTarget": {"name": ".NETCoreApp,Version=v6.0/linux-x64", "signature": ""},
  "compilationOptions": {},
  "targets": {
    ".NETCoreApp,Version=v6.0": {},
    ".NETCoreApp,Version=v6.0/linux-x64": {
      "Shop/1.0.0": {
        "dependencies": {"Newtonsoft.Json": "12.0.1", "System.Text.Encodings.Web": "4.5.0", "runtimepack.Microsoft.NETCore.App.Runtime.linux-x64": "6.0.1"},
        "runtime": {"Shop.dll": {}}
      },
      "runtimepack.Microsoft.NETCore.App.Runtime.linux-x64/6.0.1": {"runtime": {"System.Private.CoreLib.dll": {"assemblyVersion": "6.0.0.0"}}},
      "Newtonsoft.Json/12.0.1": {"runtime": {"lib/netstandard2.0/Newtonsoft.Json.dll": {"assemblyVersion": "12.0.0.0"}}},
      "System.Text.Encodings.Web/4.5.0": {"runtime": {"lib/netstandard2.0/System.Text.Encodings.Web.dll": {}}},
      "SQLitePCLRaw.lib.e_sqlite3/2.0.4": {"native": {"runtimes/linux-x64/native/libe_sqlite3.so": {"fileVersion": "0.0.0.0"}}},
      "Microsoft.NETCore.Platforms/3.1.0": {},
      "Microsoft.CodeAnalysis.Analyzers/3.0.0": {"compile": {"x.dll": {}}},
      "Shop.Core/1.0.0": {"runtime": {"Shop.Core.dll": {}}}
    }
  },
  "libraries": {
    "Shop/1.0.0": {"type": "project", "serviceable": false, "sha512": ""},
    "runtimepack.Microsoft.NETCore.App.Runtime.linux-x64/6.0.1": {"type": "runtimepack", "serviceable": false, "sha512": ""},
    "Newtonsoft.Json/12.0.1": {"type": "package", "serviceable": true, "sha512": "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==", "path": "newtonsoft.json/12.0.1", "hashPath": "newtonsoft.json.12.0.1.nupkg.sha512"},
    "System.Text.Encodings.Web/4.5.0": {"type": "package", "serviceable": true, "sha512": ""},
    "SQLitePCLRaw.lib.e_sqlite3/2.0.4": {"type": "package", "serviceable": true, "sha512": ""},
    "Microsoft.NETCore.Platforms/3.1.0": {"type": "package", "serviceable": true, "sha512": ""},
    "Microsoft.CodeAnalysis.Analyzers/3.0.0": {"type": "package", "serviceable": true, "sha512": ""},
    "Shop.Core/1.0.0": {"type": "project", "serviceable": false, "sha512": ""}
  }
}
JSON
