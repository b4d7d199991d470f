"""Webhooks confirm the start, and veto in mid-rollout; notices arrive."""

from aiohttp import web

from e2e.stage import Stage


async def play(stage: Stage) -> None:
    """Nothing starts before the yes; the veto rolls back in a tick or two; people are told of each."""
    answers = {"start": 403, "veto": 404}
    told: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name == "news":
            told.append(str((await request.json())["reason"]))
        return web.Response(status=answers.get(name, 200))

    application = web.Application()
    application.router.add_post("/{name}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        hooks = [
            {"name": "gate", "type": "confirm-start", "url": f"{url}/start"},
            {"name": "veto", "type": "rollback", "url": f"{url}/veto"},
            {"name": "news", "type": "notify", "url": f"{url}/news"},
        ]
        scene = await stage.scene("webhooks", rps=20)
        await scene.canary(dwell="60s", gates={"successRate": {"min": "98%"}, "webhooks": hooks})
        await scene.ship(RELEASE="2")

        async def asked() -> bool:
            return (await scene.status()).get("reason") == "AwaitingConfirmation"

        await scene.until(asked, "the confirmation to be asked for", within=60)
        assert await scene.weight() == 0
        answers["start"] = 200
        await scene.at_least(100)
        answers["veto"] = 200
        past = await scene.ended(within=40)
        assert (past["outcome"], past["reason"]) == ("RolledBack", "WebhookVeto"), past

        async def heard() -> bool:
            return {"NewRevision", "AwaitingConfirmation", "WeightIncreased", "WebhookVeto"} <= set(told)

        await scene.until(heard, "the notices", within=10)
    finally:
        await runner.cleanup()
