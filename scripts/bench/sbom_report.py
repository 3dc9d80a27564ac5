#!/usr/bin/env python3
"""Table and plot of scripts/bench/sbom.sh.

usage: sbom_report.py RESULTS SUMMARY SVG
RESULTS has lines `side image seconds mib components`, SUMMARY lines `image raw-bytes compressed-bytes entries`.
"""
import os
import statistics
import sys

SIDES = {"syft": "Syft", "trivy": "Trivy", "cold": "countersign --no-cache", "cached": "countersign, cached"}
SERIES = {
    "real content": ("#1f6feb", ["small-gzip", "mid-gzip", "big-gzip"]),
    "same packages, larger layer": ("#bf5700", ["pad-0.1", "pad-0.5", "pad-1.5"]),
}
WIDTH, HEIGHT, LEFT, TOP = 360, 240, 60, 40


def read(path):
    rows = {}
    for line in open(path):
        side, image, seconds, mib, components = line.split()
        rows.setdefault((side, image), []).append((float(seconds), int(mib), int(components)))
    return rows


def median(rows, key, column):
    return statistics.median(row[column] for row in rows[key])


def table(rows, sizes):
    print(f"\n{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    for image in ("big-gzip", "big-zstd"):
        raw, packed, entries = sizes[image]
        print(f"{image}: {raw / 1e9:.2f} GB raw, {packed / 1e6:.0f} MB packed, {entries} entries")
        ours = median(rows, ("cold", image), 0)
        print("| | median s | least–most s | peak MiB | components | times countersign |\n|---|---|---|---|---|---|")
        for side, title in SIDES.items():
            if (side, image) not in rows:
                continue
            seconds = [row[0] for row in rows[side, image]]
            middle = statistics.median(seconds)
            peak = max(row[1] for row in rows[side, image])
            print(f"| {title} | {middle:.2f} | {min(seconds):.2f}–{max(seconds):.2f} | {peak} | {rows[side, image][0][2]} | {middle / ours:.1f} |")
        print()


def panel(rows, sizes, column, title, unit, x0):
    points = {name: [(sizes[i][0] / 1e9, median(rows, ("cold", i), column), i) for i in images if ("cold", i) in rows]
              for name, (_, images) in SERIES.items()}
    everything = [point for series in points.values() for point in series]
    if not everything:
        return ""
    right, high = max(p[0] for p in everything) * 1.05, max(p[1] for p in everything) * 1.15
    at = lambda x, y: (x0 + x / right * WIDTH, TOP + HEIGHT - y / high * HEIGHT)
    parts = [f'<text x="{x0}" y="{TOP - 14}" font-weight="bold">{title}</text>',
             f'<path d="M{x0} {TOP}V{TOP + HEIGHT}H{x0 + WIDTH}" fill="none" stroke="#555"/>']
    for step in range(5):
        value = high * step / 4
        _, y = at(0, value)
        parts.append(f'<text x="{x0 - 6}" y="{y + 4:.0f}" text-anchor="end">{value:.3g}</text>')
        parts.append(f'<path d="M{x0} {y:.0f}h{WIDTH}" stroke="#ddd"/>')
    for gigabytes in (0.5, 1.0, 1.5):
        x, y = at(gigabytes, 0)
        parts.append(f'<text x="{x:.0f}" y="{y + 18:.0f}" text-anchor="middle">{gigabytes} GB</text>')
    parts.append(f'<text x="{x0 + 6}" y="{TOP + 12}" fill="#555">{unit}</text>')
    for name, series in points.items():
        colour = SERIES[name][0]
        places = [at(x, y) for x, y, _ in series]
        parts.append(f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in places)}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for (x, y), (_, value, image) in zip(places, series):
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>')
            count = rows["cold", image][0][2]
            parts.append(f'<text x="{x:.0f}" y="{y - 8:.0f}" text-anchor="middle" fill="{colour}">{value:.3g} ({count})</text>')
    return "\n".join(parts)


def plot(rows, sizes, path):
    second = LEFT * 2 + WIDTH + 30
    legend = "".join(f'<text x="{LEFT + 260 * i}" y="{TOP + HEIGHT + 44}" fill="{colour}">— {name}</text>'
                     for i, (name, (colour, _)) in enumerate(SERIES.items()))
    note = f'<text x="{LEFT + 540}" y="{TOP + HEIGHT + 44}" fill="#555">in brackets: components</text>'
    body = panel(rows, sizes, 0, "Time of a cold run over uncompressed size", "seconds", LEFT) \
        + panel(rows, sizes, 1, "Peak resident memory over uncompressed size", "MiB", second)
    with open(path, "w") as file:
        file.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="{second + WIDTH + 40}" height="{TOP + HEIGHT + 60}" '
                   f'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="white"/>{body}{legend}{note}</svg>\n')


rows = read(sys.argv[1])
sizes = {name: tuple(map(int, numbers)) for name, *numbers in (line.split() for line in open(sys.argv[2]))}
table(rows, sizes)
plot(rows, sizes, sys.argv[3])
